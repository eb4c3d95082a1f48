//! What a fuse does when it runs out.

use super::webhook;
use crate::base::AbsPath;
use crate::config;
use crate::env::Env;
use crate::launch::hooks::{self, Hook, Running};
use crate::protocol::fuse::FuseExpired;

/// Starts the command and tells the address. What fails is logged, and stops nothing else.
/// The command is returned: it goes on by itself, and whoever waits for its end sees to it that there is one.
pub(super) fn fire(env: &Env, expired: &FuseExpired) -> Option<Running> {
    let directory = &expired.fuse.directory;
    let running =
        expired.fuse.on_expire.command.as_deref().and_then(|argv| {
            start(env, argv, expired).inspect_err(|why| failed(directory, why)).ok()
        });
    if let Some(address) = &expired.fuse.on_expire.webhook {
        let secret = config::read(env).map(|it| it.webhook_secret).map_err(|it| it.message);
        let sent = secret.and_then(|secret| webhook::post(env, address, expired, secret));
        if let Err(why) = sent {
            failed(directory, &format!("webhook: {why}"));
        }
    }
    running
}

/// Waits for the end of what was started.
pub(super) fn finish(running: Running, directory: &AbsPath) {
    if let Err(why) = running.finish() {
        failed(directory, &why);
    }
}

fn failed(directory: &AbsPath, why: &str) {
    tracing::warn!(%directory, why, "a fuse did not do its work");
}

fn start(env: &Env, argv: &[String], expired: &FuseExpired) -> Result<Running, String> {
    let fuse = &expired.fuse;
    let optional = [
        ("HEADCOUNT_FUSE_LABEL", fuse.label.clone()),
        ("HEADCOUNT_SESSION_ID", fuse.session_id.as_ref().map(ToString::to_string)),
    ];
    let mut variables = vec![
        ("HEADCOUNT_FUSE_DIRECTORY", fuse.directory.to_string()),
        ("HEADCOUNT_FUSE_LATE", expired.late.to_string()),
    ];
    variables.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    let environment = hooks::environment(env, &fuse.directory);
    let hook = Hook {
        name: "command",
        argv,
        cwd: fuse.directory.as_path(),
        variables: &variables,
        environment: Some(&environment),
    };
    hook.start()
}
