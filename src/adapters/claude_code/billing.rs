//! Who bills a headless run of Claude Code (2.1.197), as seen at a server that wrote down how each run came to it:
//! the clouds first, then keys and tokens, then the helper that makes keys, and logins of claude.ai last.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::adapters::billing::{Billing, said};
use crate::env::Env;

/// What of `settings.json` says who pays. Its `env` counts like variables do.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    api_key_helper: Option<IgnoredAny>,
    #[serde(default)]
    env: Variables,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Variables {
    anthropic_api_key: Option<IgnoredAny>,
    anthropic_auth_token: Option<IgnoredAny>,
    claude_code_use_bedrock: Option<String>,
    claude_code_use_vertex: Option<String>,
}

const API: &str = "the API, by key";
const TOKEN: &str = "the API, by token";
const LOGIN: &str = "the claude.ai login";

pub(super) fn billing(env: &Env) -> Option<Billing> {
    let dir = super::roots(env).pop()?;
    let (file, login) = (dir.join("settings.json"), dir.join(".credentials.json"));
    let settings: Settings = said(&file).unwrap_or_default();
    let in_file = |it: Option<&str>| it.is_some_and(is_on);
    let is_switched = |name: &str| env.var(name).and_then(|it| it.to_str()).is_some_and(is_on);
    let clouds = [
        ("CLAUDE_CODE_USE_BEDROCK", &settings.env.claude_code_use_bedrock, "Amazon Bedrock"),
        ("CLAUDE_CODE_USE_VERTEX", &settings.env.claude_code_use_vertex, "Google Vertex AI"),
    ];
    for (name, set_in_file, payer) in clouds {
        if is_switched(name) {
            return Some(Billing::new(payer, format!("{name} is on")));
        }
        if in_file(set_in_file.as_deref()) {
            return Some(Billing::new(payer, format!("{name} is on in {}", file.display())));
        }
    }
    let written = |what: &str, payer: &str| {
        Some(Billing::new(payer, format!("{what} is in {}", file.display())))
    };
    None.or_else(|| Billing::by_variable(env, "ANTHROPIC_API_KEY", API))
        .or_else(|| settings.env.anthropic_api_key.and_then(|_| written("ANTHROPIC_API_KEY", API)))
        .or_else(|| Billing::by_variable(env, "ANTHROPIC_AUTH_TOKEN", TOKEN))
        .or_else(|| {
            settings.env.anthropic_auth_token.and_then(|_| written("ANTHROPIC_AUTH_TOKEN", TOKEN))
        })
        .or_else(|| settings.api_key_helper.and_then(|_| written("apiKeyHelper", API)))
        .or_else(|| Billing::by_variable(env, "CLAUDE_CODE_OAUTH_TOKEN", LOGIN))
        .or_else(|| {
            login.is_file().then(|| Billing::new(LOGIN, format!("{} is there", login.display())))
        })
}

/// How the agent reads its switches: `0`, `no` and words that it does not know are off.
fn is_on(switch: &str) -> bool {
    ["1", "true", "yes", "on"].contains(&switch.to_lowercase().trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::billing::testing::check;

    #[test]
    fn clouds_come_before_keys_and_keys_before_logins() {
        let login =
            (".claude/.credentials.json", r#"{"claudeAiOauth": {"accessToken": "secret"}}"#);
        let helper = (".claude/settings.json", r#"{"apiKeyHelper": "echo secret"}"#);
        let set = (".claude/settings.json", r#"{"env": {"ANTHROPIC_API_KEY": "secret"}}"#);
        let key = ("ANTHROPIC_API_KEY", "secret");
        let token = ("CLAUDE_CODE_OAUTH_TOKEN", "secret");
        let cases: [(&[_], &[_], _); 9] = [
            (&[], &[], None),
            (&[login], &[], Some((LOGIN, "~/.claude/.credentials.json is there"))),
            (&[login], &[token], Some((LOGIN, "CLAUDE_CODE_OAUTH_TOKEN is set"))),
            (&[login], &[key, token], Some((API, "ANTHROPIC_API_KEY is set"))),
            (
                &[login, set],
                &[token],
                Some((API, "ANTHROPIC_API_KEY is in ~/.claude/settings.json")),
            ),
            (&[login, helper], &[token], Some((API, "apiKeyHelper is in ~/.claude/settings.json"))),
            (
                &[login],
                &[("ANTHROPIC_AUTH_TOKEN", "secret")],
                Some((TOKEN, "ANTHROPIC_AUTH_TOKEN is set")),
            ),
            (
                &[],
                &[key, ("CLAUDE_CODE_USE_BEDROCK", "true")],
                Some(("Amazon Bedrock", "CLAUDE_CODE_USE_BEDROCK is on")),
            ),
            (
                &[],
                &[key, ("CLAUDE_CODE_USE_BEDROCK", "0"), ("CLAUDE_CODE_USE_VERTEX", "no")],
                Some((API, "ANTHROPIC_API_KEY is set")),
            ),
        ];
        for (files, vars, expect) in cases {
            check(billing, files, vars, expect);
        }
        let vertex = (".claude/settings.json", r#"{"env": {"CLAUDE_CODE_USE_VERTEX": "1"}}"#);
        let expect = "CLAUDE_CODE_USE_VERTEX is on in ~/.claude/settings.json";
        check(billing, &[vertex], &[key], Some(("Google Vertex AI", expect)));
        check(billing, &[(".claude/settings.json", "broken")], &[], None);
    }
}
