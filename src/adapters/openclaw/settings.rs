//! What OpenClaw is told by files: `openclaw.json` and what it includes, the variables that it sets, and those of `.env` beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::endpoint::Secret;
use super::{includes, json5};
use crate::adapters::evidence::problem_at;
use crate::adapters::files::read_small;
use crate::env::Env;
use crate::protocol::session::{Problem, ProblemKind};

/// What of `openclaw.json` matters here.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    #[serde(default)]
    pub(super) gateway: Gateway,
    #[serde(default)]
    env: Inline,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Gateway {
    mode: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) auth: Auth,
    tls: Tls,
}

impl Gateway {
    /// Whether it is to be asked on another machine, and none is to run here.
    pub(super) fn is_remote(&self) -> bool {
        self.mode.as_deref() == Some("remote")
    }

    pub(super) fn speaks_tls(&self) -> bool {
        self.tls.enabled
    }
}

/// Which of the two secrets is shown: both would be sent in vain where `mode` names one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Auth {
    pub(super) mode: Option<String>,
    pub(super) token: Option<Written>,
    pub(super) password: Option<Written>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Tls {
    enabled: bool,
}

/// Variables for where none of that name is set.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inline {
    vars: BTreeMap<String, Secret>,
}

/// A secret in the settings: itself, a reference to a variable, or one to another keeper, which is not asked.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Written {
    Text(Secret),
    Reference(Reference),
    Other(serde::de::IgnoredAny),
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    source: String,
    id: String,
}

impl Written {
    pub(super) fn resolve(&self, vars: &Vars<'_>) -> Option<Secret> {
        let name = match self {
            Self::Text(secret) => {
                let written = secret.reveal().trim();
                match written.strip_prefix("${").and_then(|it| it.strip_suffix('}')) {
                    Some(name) => name,
                    None => return Secret::parse(written),
                }
            }
            Self::Reference(it) if it.source == "env" => &it.id,
            Self::Reference(_) | Self::Other(_) => return None,
        };
        vars.secret(name)
    }
}

/// The settings, with the files that they are spread over; nothing where there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<Settings>, Problem> {
    let Some(text) = read_text(path)? else { return Ok(None) };
    if !text.contains(includes::KEY) {
        return json(&text, path).map(Some);
    }
    let whole = includes::resolve(json(&text, path)?, path)?;
    serde_json::from_value(whole).map(Some).map_err(|_| malformed(path, None))
}

/// What a file holds that others name.
pub(super) fn included(path: &Path) -> Result<Option<Value>, Problem> {
    read_text(path)?.map(|text| json(&text, path)).transpose()
}

fn json<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, Problem> {
    serde_json::from_str(&json5::to_json(text))
        .map_err(|error| malformed(path, u64::try_from(error.line()).ok()))
}

/// The parser's own words could quote what it met, a token among it: the place is all that is told.
pub(super) fn malformed(path: &Path, line: Option<u64>) -> Problem {
    let message = "the gateway's settings are no JSON with a port and a token";
    Problem { line, ..problem_at(ProblemKind::Malformed, path, message) }
}

fn read_text(path: &Path) -> Result<Option<String>, Problem> {
    match read_small(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
    }
}

/// The variables as OpenClaw sees them: those of the environment, then those of `.env` in its state directory, then
/// those of the settings.
pub(super) struct Vars<'a> {
    env: &'a Env,
    written: BTreeMap<String, Secret>,
}

impl<'a> Vars<'a> {
    /// Those of the environment and of `.env`, where there is one.
    pub(super) fn read(env: &'a Env, state: &Path) -> Result<Self, Problem> {
        let text = read_text(&state.join(".env"))?.unwrap_or_default();
        let written = text.lines().filter_map(assignment).map(|(name, it)| (name.to_owned(), it));
        Ok(Self { env, written: written.collect() })
    }

    /// Those of the settings too.
    pub(super) fn complete(&mut self, settings: &Settings) {
        for (name, value) in &settings.env.vars {
            self.written.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// What stands in a variable, if anything does.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let told = self.env.var(name).and_then(|it| it.to_str());
        let text = told.or_else(|| self.written.get(name).map(Secret::reveal));
        text.map(str::trim).filter(|it| !it.is_empty())
    }

    pub(super) fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).and_then(Secret::parse)
    }
}

/// A line of `.env`: `NAME=value`, `export` before it or not, the value in quotes or up to a comment.
fn assignment(line: &str) -> Option<(&str, Secret)> {
    let line = line.trim();
    let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
    let (name, value) = (name.trim(), value.trim());
    let quoted = ['"', '\'', '`'].into_iter().find_map(|quote| {
        let (inner, _) = value.strip_prefix(quote)?.split_once(quote)?;
        Some(inner)
    });
    let plain = || value.split('#').next().unwrap_or_default();
    let is_name = !name.is_empty() && name.chars().all(|it| it.is_alphanumeric() || it == '_');
    is_name.then_some((name, Secret::parse(quoted.unwrap_or_else(plain))?))
}
