//! Who would bill what a launched agent spends, as far as variables and the agent's own files tell.
//!
//! No secret is kept: of a variable or a file only that it is there is known, and of members their names. An order of
//! precedence is stated only where the agent was seen to follow it.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::read_small;
use crate::env::Env;

/// What would pay for the model's calls, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Billing {
    pub payer: String,
    pub because: String,
}

impl Billing {
    pub(super) fn new(payer: impl Into<String>, because: impl Into<String>) -> Self {
        Self { payer: payer.into(), because: because.into() }
    }

    /// Nothing, where the variable is not set.
    pub(super) fn by_variable(env: &Env, name: &str, payer: &str) -> Option<Self> {
        env.var(name).map(|_| Self::new(payer, format!("{name} is set")))
    }
}

/// What a small JSON file of the agent says; nothing where it cannot be read.
pub(super) fn said<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&read_small(path).ok()?).ok()
}

/// Variables that agents which speak to many providers take keys from: OpenCode 1.18.33 lists these as its own, and Pi
/// 0.73.1 offers the models of each.
const KEYS: [&str; 9] = [
    "ANTHROPIC_API_KEY",
    "CEREBRAS_API_KEY",
    "DEEPSEEK_API_KEY",
    "GEMINI_API_KEY",
    "GROQ_API_KEY",
    "MISTRAL_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
    "XAI_API_KEY",
];

/// The billing of an agent that speaks to many providers and keeps its logins in `logins`.
pub(super) fn by_model(env: &Env, logins: &Path) -> Option<Billing> {
    // An empty object is what is left when the last login is gone.
    let has_logins = logins.metadata().is_ok_and(|it| it.len() > "{}\n".len() as u64);
    let file = has_logins.then(|| logins.display().to_string());
    let keys = KEYS.into_iter().filter(|it| env.var(it).is_some()).map(str::to_owned);
    let found: Vec<String> = keys.chain(file).collect();
    let because = format!("there are {}", found.join(", "));
    (!found.is_empty())
        .then(|| Billing::new("the provider of the model that is asked for", because))
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// What is concluded in a home with these files and variables.
    pub(in crate::adapters) fn payer(
        billing: fn(&Env) -> Option<Billing>,
        files: &[(&str, &str)],
        vars: &[(&str, &str)],
    ) -> Option<(String, String)> {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let vars = vars.iter().map(|(name, value)| (name.into(), value.into()));
        let vars = vars.chain([("HOME".into(), home.path().into())]).collect();
        let found = billing(&Env::of_vars(vars).unwrap())?;
        let home = home.path().to_str().unwrap();
        Some((found.payer, found.because.replace(home, "~")))
    }

    /// Asserts that `payer` is concluded, and that no text of ours holds a secret.
    pub(in crate::adapters) fn check(
        billing: fn(&Env) -> Option<Billing>,
        files: &[(&str, &str)],
        vars: &[(&str, &str)],
        expect: Option<(&str, &str)>,
    ) {
        let found = payer(billing, files, vars);
        let found = found.as_ref().map(|(payer, because)| (payer.as_str(), because.as_str()));
        assert_eq!(found, expect, "{files:?} {vars:?}");
        assert!(!format!("{found:?}").contains("secret"));
    }
}

#[cfg(test)]
mod tests {
    use super::testing::check;
    use super::*;

    fn many(env: &Env) -> Option<Billing> {
        by_model(env, &env.in_home("auth.json"))
    }

    #[test]
    fn an_agent_of_many_providers_is_billed_by_that_of_the_model() {
        let provider = "the provider of the model that is asked for";
        let login = ("auth.json", r#"{"anthropic": {"type": "oauth", "access": "secret"}}"#);
        check(many, &[], &[], None);
        check(many, &[("auth.json", "{}\n")], &[], None);
        check(many, &[login], &[], Some((provider, "there are ~/auth.json")));
        check(
            many,
            &[login],
            &[("OPENAI_API_KEY", "secret"), ("GROQ_API_KEY", "")],
            Some((provider, "there are OPENAI_API_KEY, ~/auth.json")),
        );
    }
}
