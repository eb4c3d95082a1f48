//! Settings of this user: `config.json`, read whenever one of them matters.

use std::path::PathBuf;

use serde::Deserialize;

use crate::env::Env;

/// Most bytes of the file; it holds a handful of words.
const CONFIG_MAX: u64 = 64 << 10;

/// What can be set. Members that are not known here are for another version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// The secret that webhooks are signed with.
    #[serde(default)]
    pub webhook_secret: Option<String>,
}

impl Config {
    /// Where the settings are: `HEADCOUNT_CONFIG`, else `headcount/config.json` among the user's.
    pub fn path(env: &Env) -> PathBuf {
        env.path_var("HEADCOUNT_CONFIG")
            .unwrap_or_else(|| env.config_home().join("headcount/config.json"))
    }

    /// Reads the settings; a file that is not there sets nothing.
    pub fn read(env: &Env) -> Result<Self, String> {
        let path = Self::path(env);
        let failed = |why: String| format!("{}: {why}", path.display());
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(error.to_string())),
            Ok(meta) if !meta.is_file() => return Err(failed("is not a file".into())),
            Ok(meta) if meta.len() > CONFIG_MAX => return Err(failed("is too long".into())),
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(&path).map_err(|error| failed(error.to_string()))?;
        serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
    }
}
