//! Finds and reads `config.json`, whenever one of its settings matters: what it says now holds now.

use std::io;
use std::path::PathBuf;

use crate::base::{AbsPath, AgentId};
use crate::env::Env;
use crate::protocol::reading;
use crate::protocol::session::{Problem, ProblemKind};
use crate::protocol::settings::ConfigFile;

/// Most bytes of the file; it holds a handful of words.
const CONFIG_MAX: u64 = 64 << 10;

/// What names another file than the usual one.
const NAMED_BY: &str = "HEADCOUNT_CONFIG";

/// Where the settings are: `HEADCOUNT_CONFIG`, else `headcount/config.json` among the user's.
pub fn path(env: &Env) -> PathBuf {
    env.path_var(NAMED_BY).unwrap_or_else(|| env.config_home().join("headcount/config.json"))
}

/// Reads the settings; a file that is not there sets nothing, unless somebody has named it.
pub fn read(env: &Env) -> Result<ConfigFile, Problem> {
    let path = path(env);
    let problem = |kind, why: String| Problem {
        kind,
        message: format!("settings: {why}"),
        path: AbsPath::parse(&path),
        line: None,
    };
    match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && env.var(NAMED_BY).is_none() => {
            return Ok(ConfigFile::default());
        }
        Err(error) => return Err(problem(ProblemKind::Unreadable, error.to_string())),
        Ok(meta) if !meta.is_file() => {
            return Err(problem(ProblemKind::Unreadable, "not a file".into()));
        }
        Ok(meta) if meta.len() > CONFIG_MAX => {
            let why = format!("longer than {CONFIG_MAX} bytes");
            return Err(problem(ProblemKind::TooLarge, why));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(&path)
        .map_err(|error| problem(ProblemKind::Unreadable, error.to_string()))?;
    reading::read(&text).map_err(|fault| problem(ProblemKind::Malformed, fault.to_string()))
}

/// What of these settings cannot hold: names that nothing is called.
pub fn doubts(env: &Env, config: &ConfigFile, agents: &[AgentId]) -> Option<Problem> {
    let unknown = config.unknown.keys().map(|it| format!("`{it}` is no setting"));
    let named = config.without_agents.iter().flatten().filter(|it| !agents.contains(it));
    let strangers = named.map(|it| format!("`withoutAgents`: no adapter is called `{it}`"));
    let doubts: Vec<String> = unknown.chain(strangers).collect();
    (!doubts.is_empty()).then(|| Problem {
        kind: ProblemKind::Malformed,
        message: format!("settings: {}", doubts.join("; ")),
        path: AbsPath::parse(path(env)),
        line: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(text: Option<&str>) -> (tempfile::TempDir, Env) {
        let dir = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            std::fs::write(dir.path().join("config.json"), text).unwrap();
        }
        let vars = [
            ("HOME".into(), dir.path().into()),
            (NAMED_BY.into(), dir.path().join("config.json").into()),
        ];
        let env = Env::of_vars(vars.into()).unwrap();
        (dir, env)
    }

    #[test]
    fn what_is_not_there_sets_nothing() {
        let (dir, named) = world(None);
        let env = Env::of_vars([("HOME".into(), dir.path().into())].into()).unwrap();
        let config = read(&env).unwrap();
        assert_eq!((config.webhook_secret, config.deadline_ms), (None, None));
        assert_eq!(read(&named).unwrap_err().kind, ProblemKind::Unreadable);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named_with_the_member() {
        let cases = [
            ("{", ProblemKind::Malformed, "settings: EOF"),
            ("[]x", ProblemKind::Malformed, "settings: "),
            (
                r#"{"deadlineMs": 0}"#,
                ProblemKind::Malformed,
                "settings: `deadlineMs`: 0 is not between",
            ),
            (
                r#"{"webhookSecret": 5}"#,
                ProblemKind::Malformed,
                "settings: `webhookSecret`: invalid type",
            ),
        ];
        for (text, kind, message) in cases {
            let (dir, env) = world(Some(text));
            let problem = read(&env).unwrap_err();
            assert_eq!(problem.kind, kind, "{text}");
            assert!(problem.message.starts_with(message), "{text}: {}", problem.message);
            assert_eq!(problem.path, AbsPath::parse(dir.path().join("config.json")));
        }
    }

    #[test]
    fn a_file_is_read_up_to_its_limit_and_not_beyond() {
        let padded = |len: u64| format!("{{}}{}", " ".repeat(usize::try_from(len).unwrap() - 2));
        let (_dir, env) = world(Some(&padded(CONFIG_MAX)));
        read(&env).unwrap();
        let (_dir, env) = world(Some(&padded(CONFIG_MAX + 1)));
        assert_eq!(read(&env).unwrap_err().kind, ProblemKind::TooLarge);
        let (dir, env) = world(None);
        std::fs::create_dir(dir.path().join("config.json")).unwrap();
        assert_eq!(read(&env).unwrap_err().kind, ProblemKind::Unreadable);
    }

    #[test]
    fn names_that_nothing_is_called_are_told_and_the_rest_holds() {
        let text = r#"{"deadlineMS": 1, "deadlineMs": 7, "withoutAgents": ["codex", "clod"]}"#;
        let (_dir, env) = world(Some(text));
        let config = read(&env).unwrap();
        let doubts = doubts(&env, &config, &[AgentId::of("codex")]).unwrap();
        assert_eq!(
            doubts.message,
            "settings: `deadlineMS` is no setting; `withoutAgents`: no adapter is called `clod`"
        );
        assert_eq!(config.deadline_ms.unwrap().get(), 7);
    }
}
