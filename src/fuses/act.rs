//! What a fuse does when it runs out.

use super::webhook;
use crate::config;
use crate::env::Env;
use crate::launch::hooks::{self, Hook};
use crate::protocol::fuse::FuseExpired;

/// Does it all; what fails is logged, and stops nothing else.
pub(super) fn fire(env: &Env, expired: &FuseExpired) {
    let directory = &expired.fuse.directory;
    let failed = |what: &str, why: String| {
        tracing::warn!(%directory, why, "a fuse's {what} did not do its work");
    };
    if let Some(argv) = &expired.fuse.on_expire.command {
        let optional = [
            ("HEADCOUNT_FUSE_LABEL", expired.fuse.label.clone()),
            ("HEADCOUNT_SESSION_ID", expired.fuse.session_id.as_ref().map(ToString::to_string)),
        ];
        let mut variables = vec![
            ("HEADCOUNT_FUSE_DIRECTORY", directory.to_string()),
            ("HEADCOUNT_FUSE_LATE", expired.late.to_string()),
        ];
        variables.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let environment = hooks::environment(env, directory);
        let hook = Hook {
            name: "command",
            argv,
            cwd: directory.as_path(),
            variables: &variables,
            environment: Some(&environment),
        };
        if let Err(why) = hook.run() {
            failed("command", why);
        }
    }
    if let Some(address) = &expired.fuse.on_expire.webhook {
        let secret = config::read(env).map(|it| it.webhook_secret).map_err(|it| it.message);
        let sent = secret.and_then(|secret| webhook::post(env, address, expired, secret));
        if let Err(why) = sent {
            failed("webhook", why);
        }
    }
}
