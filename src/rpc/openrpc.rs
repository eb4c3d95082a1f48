//! The published schema: every method of the table as one OpenRPC document. PURE.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::router::MethodCard;
use crate::adapters::REGISTRY;
use crate::protocol::error::{Code, OUR_CODES};
use crate::protocol::settings::ConfigFile;

/// The version of the OpenRPC specification that the document follows.
const OPENRPC_VERSION: &str = "1.3.2";

/// The OpenRPC document of these methods.
pub fn document(methods: &[MethodCard]) -> Value {
    let settings =
        SchemaSettings::draft07().with(|it| it.definitions_path = "/components/schemas".into());
    let mut generator = SchemaGenerator::new(settings);
    let methods: Vec<Value> = methods.iter().map(|it| method(it, &mut generator)).collect();
    // OpenRPC has no word for the schema of what comes with an error: its `data` is a value.
    let errors: serde_json::Map<String, Value> = OUR_CODES
        .into_iter()
        .map(|it| {
            let data = (it.data)(&mut generator).to_value();
            (it.kind.to_owned(), json!({ "code": it.code, "message": it.when, "x-data": data }))
        })
        .collect();
    let mut schemas = generator.take_definitions(true);
    name_agents(&mut schemas);
    json!({
        "openrpc": OPENRPC_VERSION,
        "info": {
            "title": "headcount",
            "version": env!("CARGO_PKG_VERSION"),
            "description": env!("CARGO_PKG_DESCRIPTION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
        },
        "methods": methods,
        "components": { "schemas": schemas, "errors": errors },
    })
}

/// The document as it is published: pretty, with a last newline.
pub fn text(methods: &[MethodCard]) -> String {
    pretty(&document(methods))
}

/// The schema of `config.json`, as it is published.
pub fn config_text() -> String {
    let generator = SchemaSettings::draft07().into_generator();
    let mut schema = generator.into_root_schema_for::<ConfigFile>().to_value();
    if let Some(definitions) = schema["definitions"].as_object_mut() {
        name_agents(definitions);
    }
    pretty(&schema)
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).expect("a JSON value can be written"))
}

fn method(card: &MethodCard, generator: &mut SchemaGenerator) -> Value {
    let params = (card.params)(generator).to_value();
    let params = resolved(&params, generator);
    let required: Vec<&str> =
        params["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let members: Vec<Value> = params["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| {
            let mut schema = schema.clone();
            let description = schema.as_object_mut().and_then(|it| it.remove("description"));
            json!({
                "name": name,
                "required": required.contains(&name.as_str()),
                "description": description,
                "schema": schema,
            })
        })
        .collect();
    let reference = |it: &Code| json!({ "$ref": format!("#/components/errors/{}", it.kind) });
    let errors: Vec<Value> = card.errors.iter().map(reference).collect();
    let mut method = json!({
        "name": card.name,
        "summary": card.summary,
        "paramStructure": "by-name",
        "params": members,
        "result": { "name": "result", "schema": (card.result)(generator).to_value() },
        "errors": errors,
    });
    // OpenRPC has no word for notifications of the server.
    let notifications = card.notification.iter().chain(card.other_notifications);
    let notifications: Vec<Value> = notifications
        .map(|it| {
            json!({
                "method": it.name,
                "params": {
                    "type": "object",
                    "required": ["subscription", "result"],
                    "properties": {
                        "subscription": (card.result)(generator).to_value(),
                        "result": (it.event)(generator).to_value(),
                    },
                },
            })
        })
        .collect();
    if !notifications.is_empty() {
        method["x-notifications"] = notifications.into();
    }
    method
}

/// The schema itself, where `schema` only refers to it.
fn resolved(schema: &Value, generator: &SchemaGenerator) -> Value {
    let name = schema["$ref"].as_str().and_then(|it| it.rsplit('/').next());
    name.and_then(|it| generator.definitions().get(it)).unwrap_or(schema).clone()
}

/// The agents that this build knows, so that the types need not know them.
fn name_agents(schemas: &mut serde_json::Map<String, Value>) {
    let known: Vec<&str> = REGISTRY.iter().map(|it| it.card().id.as_str()).collect();
    if let Some(agent) = schemas.get_mut("AgentId").and_then(Value::as_object_mut) {
        agent.insert("examples".into(), known.into());
    }
}
