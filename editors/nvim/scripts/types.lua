-- Writes lua/headcount/types.lua from the published schema: nvim --clean -l scripts/types.lua SCHEMA > lua/headcount/types.lua

local document = vim.json.decode(table.concat(vim.fn.readfile(arg[1]), '\n'))
local out = {
  '--- The wire types. Generated from schema/openrpc.json by scripts/types.lua; not edited by hand.',
  '---@meta',
}

local PRIMITIVE = { string = 'string', integer = 'integer', number = 'number', boolean = 'boolean' }

local function name_of(reference)
  return 'headcount.' .. reference:match('[^/]+$')
end

local function type_of(schema)
  if type(schema) ~= 'table' then
    return 'any'
  elseif schema['$ref'] then
    return name_of(schema['$ref'])
  elseif schema.anyOf or schema.allOf then
    return type_of((schema.anyOf or schema.allOf)[1])
  elseif type(schema.type) == 'table' then
    local parts = {}
    for _, one in ipairs(schema.type) do
      if one ~= 'null' then
        table.insert(parts, type_of(vim.tbl_extend('force', schema, { type = one })))
      end
    end
    return table.concat(parts, '|')
  elseif schema.type == 'array' then
    return type_of(schema.items) .. '[]'
  end
  return PRIMITIVE[schema.type] or 'table'
end

local function first_line(text)
  return (text or ''):gsub('\n.*', '')
end

local function constants(schema)
  local values = {}
  for _, one in ipairs(schema.oneOf or {}) do
    table.insert(values, ("'%s'"):format(one.const))
  end
  return #values > 0 and table.concat(values, '|') or nil
end

local schemas = document.components.schemas
local names = vim.tbl_keys(schemas)
table.sort(names)
for _, name in ipairs(names) do
  local schema = schemas[name]
  table.insert(out, '')
  table.insert(out, ('--- %s'):format(first_line(schema.description)))
  if schema.properties then
    table.insert(out, ('---@class headcount.%s'):format(name))
    local fields = vim.tbl_keys(schema.properties)
    table.sort(fields)
    for _, field in ipairs(fields) do
      local property = schema.properties[field]
      local absent = vim.tbl_contains(schema.required or {}, field) and '' or '|nil'
      local says = type(property) == 'table' and first_line(property.description) or ''
      table.insert(
        out,
        vim.trim(('---@field %s %s%s %s'):format(field, type_of(property), absent, says))
      )
    end
  else
    local meaning = constants(schema) or type_of(schema)
    table.insert(out, ('---@alias headcount.%s %s'):format(name, meaning))
  end
end

io.stdout:write(table.concat(out, '\n') .. '\n')
