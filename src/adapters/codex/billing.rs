//! Who bills `codex exec` (0.169.0), as seen at a server that wrote down how each run came to it: a provider of the
//! configuration first, then `CODEX_API_KEY`, then what `auth.json` holds. `OPENAI_API_KEY` alone is not used.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::adapters::billing::{Billing, said};
use crate::adapters::files::read_small;
use crate::env::Env;

/// What kinds of login `auth.json` holds; which of two it would use was not seen.
#[derive(Debug, Deserialize)]
struct Logins {
    #[serde(rename = "OPENAI_API_KEY")]
    key: Option<IgnoredAny>,
    tokens: Option<IgnoredAny>,
}

const API: &str = "the API, by key";
const LOGIN: &str = "the ChatGPT login";

pub(super) fn billing(env: &Env) -> Option<Billing> {
    let dir = super::roots(env).pop()?;
    let (configuration, logins) = (dir.join("config.toml"), dir.join("auth.json"));
    let text = read_small(&configuration).unwrap_or_default();
    if let Some(provider) = provider(&String::from_utf8_lossy(&text)) {
        let because = format!("model_provider is in {}", configuration.display());
        return Some(Billing::new(format!("the provider `{provider}`"), because));
    }
    if let Some(billing) = Billing::by_variable(env, "CODEX_API_KEY", API) {
        return Some(billing);
    }
    let payer = match said(&logins)? {
        Logins { key: Some(_), tokens: None } => API,
        Logins { key: None, tokens: Some(_) } => LOGIN,
        _ => return None,
    };
    Some(Billing::new(payer, format!("{} holds it", logins.display())))
}

/// The provider that the configuration names outside of any table, other than the one that it would be anyway.
fn provider(configuration: &str) -> Option<&str> {
    let top = configuration.lines().map(str::trim).take_while(|it| !it.starts_with('['));
    let mut values =
        top.filter_map(|line| line.strip_prefix("model_provider")?.trim_start().strip_prefix('='));
    let value = values.next()?.trim().trim_start_matches(['"', '\'']);
    let name = value.split(['"', '\'']).next()?;
    (!name.is_empty() && name != "openai").then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::billing::testing::check;

    #[test]
    fn a_provider_comes_before_the_key_and_the_key_before_logins() {
        let chatgpt = (
            ".codex/auth.json",
            r#"{"OPENAI_API_KEY": null, "tokens": {"access_token": "secret"}}"#,
        );
        let key = (".codex/auth.json", r#"{"auth_mode": "apikey", "OPENAI_API_KEY": "secret"}"#);
        let both = (".codex/auth.json", r#"{"OPENAI_API_KEY": "secret", "tokens": {}}"#);
        let own = (
            ".codex/config.toml",
            "# mine\nmodel_provider = \"mock\" # here\n[model_providers.mock]\n",
        );
        let usual =
            (".codex/config.toml", "model_provider = \"openai\"\n[x]\nmodel_provider = \"y\"\n");
        let variable = ("CODEX_API_KEY", "secret");
        let held = "~/.codex/auth.json holds it";
        let cases: [(&[_], &[_], _); 8] = [
            (&[], &[], None),
            (&[], &[("OPENAI_API_KEY", "secret")], None),
            (&[chatgpt], &[("OPENAI_API_KEY", "secret")], Some((LOGIN, held))),
            (&[key], &[], Some((API, held))),
            (&[both], &[], None),
            (&[chatgpt, usual], &[variable], Some((API, "CODEX_API_KEY is set"))),
            (
                &[key, own],
                &[variable],
                Some(("the provider `mock`", "model_provider is in ~/.codex/config.toml")),
            ),
            (&[(".codex/auth.json", "broken")], &[], None),
        ];
        for (files, vars, expect) in cases {
            check(billing, files, vars, expect);
        }
    }
}
