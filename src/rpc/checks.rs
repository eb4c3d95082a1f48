//! What parameters have to be beyond their types: short enough to be shown, and fit to be handed to a program. PURE.

use std::fmt::Display;

use crate::protocol::error::RpcError;
use crate::protocol::launch::LaunchParams;

/// Longest name, label or reason, in bytes: it is shown in one line.
const LINE_MAX: usize = 1024;
/// Most words for a program, and most bytes of all of them. The kernel takes 2 MiB.
const WORDS_MAX: usize = 256;
const WORDS_BYTES_MAX: usize = 256 << 10;

/// A refusal that names the member and says what is wrong with it.
pub(super) fn refused(member: &str, why: impl Display) -> RpcError {
    RpcError::invalid(member, format!("`{member}`: {why}"))
}

/// Refuses what cannot be shown in one line, or not be handed to a program.
pub(super) fn line(member: &str, text: &str) -> Result<(), RpcError> {
    match text {
        "" => Err(refused(member, "is empty")),
        _ if text.len() > LINE_MAX => {
            Err(refused(member, format_args!("is longer than {LINE_MAX} bytes")))
        }
        _ => no_nul(member, text),
    }
}

/// The same of a text that may be absent.
pub(super) fn optional_line(member: &str, text: Option<&str>) -> Result<(), RpcError> {
    text.map_or(Ok(()), |it| line(member, it))
}

/// Refuses what is no program with its arguments.
pub(super) fn command(member: &str, argv: &[String]) -> Result<(), RpcError> {
    if argv.first().is_none_or(String::is_empty) {
        return Err(refused(member, "names no program"));
    }
    words(member, argv.iter().map(String::as_str))
}

/// Refuses words that a program could not be given.
fn words<'a>(member: &str, words: impl ExactSizeIterator<Item = &'a str>) -> Result<(), RpcError> {
    let (mut left, count) = (WORDS_BYTES_MAX, words.len());
    for word in words {
        no_nul(member, word)?;
        left = left
            .checked_sub(word.len())
            .ok_or_else(|| refused(member, format_args!("is more than {WORDS_BYTES_MAX} bytes")))?;
    }
    if count > WORDS_MAX {
        return Err(refused(member, format_args!("is more than {WORDS_MAX} words")));
    }
    Ok(())
}

fn no_nul(member: &str, text: &str) -> Result<(), RpcError> {
    if text.contains('\0') {
        return Err(refused(member, "holds a NUL, which no argument or variable can"));
    }
    Ok(())
}

/// Refuses what could not be passed on to an agent, before anything happens.
pub(super) fn launch(params: &LaunchParams) -> Result<(), RpcError> {
    if params.prompt.trim().is_empty() {
        return Err(refused("prompt", "is empty"));
    }
    no_nul("prompt", &params.prompt)?;
    for (member, text) in [
        ("model", &params.model),
        ("label", &params.label),
        ("group", &params.group),
        ("spec", &params.spec),
    ] {
        optional_line(member, text.as_deref())?;
    }
    if params.model.as_ref().is_some_and(|it| it.starts_with('-')) {
        return Err(refused("model", "begins with a dash"));
    }
    words("args", params.args.iter().map(String::as_str))?;
    for name in params.env.keys() {
        if name.is_empty() || name.contains('=') {
            return Err(refused("env", format_args!("`{name}` is not the name of a variable")));
        }
    }
    words("env", params.env.keys().map(String::as_str))?;
    words("env", params.env.values().map(String::as_str))?;
    for (member, argv) in [("onCreate", &params.on_create), ("onComplete", &params.on_complete)] {
        argv.as_deref().map_or(Ok(()), |it| command(member, it))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_hold_at_their_edges() {
        let x = |len: usize| "x".repeat(len);
        assert_eq!(line("by", &x(LINE_MAX)), Ok(()));
        assert!(line("by", &x(LINE_MAX + 1)).is_err());
        let argv = |count: usize, len: usize| command("c", &vec![x(len); count]);
        assert_eq!(argv(WORDS_MAX, 1), Ok(()));
        assert!(argv(WORDS_MAX + 1, 1).is_err());
        assert_eq!(argv(WORDS_MAX, WORDS_BYTES_MAX / WORDS_MAX), Ok(()));
        assert!(argv(1, WORDS_BYTES_MAX + 1).is_err());
    }
}
