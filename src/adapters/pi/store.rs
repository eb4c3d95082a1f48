//! Where Pi and `pi_agent_rust` keep their sessions, and which of the two wrote a file there.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::super::files::{EntryKind, Finder, open_regular, read_small};
use super::super::jsonl;
use crate::env::Env;
use crate::scope::Scope;

/// Most bytes of a header that are read to tell whose it is; the longest seen is of 400 bytes.
const HEADER_MAX: u64 = 16 << 10;

/// The index that `pi_agent_rust` keeps of all sessions below a root.
pub(in super::super) const INDEX: &str = "session-index.sqlite";

/// The two agents that share a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kin {
    Pi,
    PiRust,
}

/// Where Pi keeps all that is its own.
pub(super) fn agent_dir(env: &Env) -> PathBuf {
    match env.var("PI_CODING_AGENT_DIR") {
        Some(dir) => from_home(env, Path::new(dir)),
        None => env.in_home(".pi/agent"),
    }
}

/// Every directory in which either of the two keeps sessions. Both adapters look at all of them, so that
/// each session is listed once, whoever wrote it where.
pub(in super::super) fn roots(env: &Env) -> Vec<PathBuf> {
    let agent_dir = agent_dir(env);
    let mut roots = vec![agent_dir.join("sessions")];
    for name in ["PI_CODING_AGENT_SESSION_DIR", "PI_SESSIONS_DIR"] {
        roots.extend(env.var(name).map(|it| from_home(env, Path::new(it))));
    }
    if let Some(dir) = session_dir_of_settings(&agent_dir) {
        if dir.is_absolute() || dir.starts_with("~") {
            roots.push(from_home(env, &dir));
        } else {
            // Relative to the project, whose directory we do not know: ours is the likeliest.
            roots.extend(env.var("PWD").map(|it| Path::new(it).join(&dir)));
            roots.push(agent_dir.join(&dir));
        }
    }
    let mut seen = Vec::with_capacity(roots.len());
    for root in roots {
        if !seen.contains(&root) {
            seen.push(root);
        }
    }
    seen
}

/// A path with `~` for the home directory; relative ones are taken from there too.
fn from_home(env: &Env, path: &Path) -> PathBuf {
    env.home().as_path().join(path.strip_prefix("~").unwrap_or(path))
}

/// `sessionDir` of `settings.json`; settings that cannot be read name none.
fn session_dir_of_settings(agent_dir: &Path) -> Option<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Settings {
        session_dir: Option<PathBuf>,
    }
    let bytes = read_small(&agent_dir.join("settings.json")).ok()?;
    let settings: Settings = serde_json::from_slice(&bytes).ok()?;
    settings.session_dir.filter(|it| !it.as_os_str().is_empty())
}

/// Names the transcripts of one of the two: at the root or one level below. Not in `<stem>.v2`, where
/// `pi_agent_rust` keeps parts of sessions.
pub(in super::super) fn find(finder: &mut Finder<'_>, root: &Path, kin: Kin) {
    let folders = finder.take_from(root, |name| is_written_by(kin, root, name));
    for dir in folders.iter().filter(|it| !holds_parts(it)).map(|it| root.join(it)) {
        finder.take_from(&dir, |name| is_written_by(kin, &dir, name));
    }
}

/// Whether a folder of that name holds parts of one session.
fn holds_parts(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|it| it == "v2")
}

fn is_written_by(kin: Kin, dir: &Path, name: &str) -> bool {
    name.strip_suffix(".jsonl").is_some_and(|stem| {
        kin_by_name(stem).or_else(|| kin_by_header(&dir.join(name))) == Some(kin)
    })
}

/// The databases that hold a session each; not the index of them all at the root.
pub(in super::super) fn databases(scope: &Scope, root: &Path) -> Vec<PathBuf> {
    // What cannot be read is reported by the search for transcripts.
    let mut finder = Finder::new(scope);
    let mut databases = Vec::new();
    for (name, kind) in finder.entries(root) {
        let dir = root.join(&name);
        match kind {
            EntryKind::Directory if !holds_parts(&name) => {
                let entries = finder.entries(&dir).into_iter();
                let entries = entries.filter(|(name, kind)| is_database(name, *kind));
                databases.extend(entries.map(|(name, _)| dir.join(name)));
            }
            _ if is_database(&name, kind) => databases.push(dir),
            _ => {}
        }
    }
    databases
}

fn is_database(name: &str, kind: EntryKind) -> bool {
    let stem = name.strip_suffix(".sqlite").filter(|_| kind == EntryKind::File);
    stem.is_some() && name != INDEX
}

/// Pi: `2026-11-22T20-33-14-318Z_<id>`. `pi_agent_rust`: `2026-11-22T20-57-27.240Z_<first 8 of the id>`.
fn kin_by_name(stem: &str) -> Option<Kin> {
    let shape = |template: &[u8]| {
        let fits = |(byte, shape): (u8, &u8)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        };
        stem.len() > template.len() && stem.bytes().zip(template).all(fits)
    };
    if shape(b"0000-00-00T00-00-00-000Z_") {
        Some(Kin::Pi)
    } else if shape(b"0000-00-00T00-00-00.000Z_") {
        Some(Kin::PiRust)
    } else {
        None
    }
}

/// A file that a person named (`--session FILE`): only `pi_agent_rust` writes a model into the header, and
/// only a file with a header is a session at all.
fn kin_by_header(path: &Path) -> Option<Kin> {
    #[derive(Deserialize)]
    struct Header<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(rename = "modelId")]
        model: Option<serde::de::IgnoredAny>,
    }
    let (file, _) = open_regular(path).ok()?;
    let mut bytes = Vec::new();
    file.take(HEADER_MAX).read_to_end(&mut bytes).ok()?;
    let header: Header<'_> = jsonl::record(bytes.split(|it| *it == b'\n').next()?)?;
    (header.kind == "session").then(|| if header.model.is_some() { Kin::PiRust } else { Kin::Pi })
}

/// The session id that a transcript's name holds whole; nothing where it is cut or a person's choice.
pub(super) fn id_in_name(path: &str) -> Option<&str> {
    let stem = Path::new(path).file_name()?.to_str()?.strip_suffix(".jsonl")?;
    (kin_by_name(stem)? == Kin::Pi).then(|| stem.split_once('_')).flatten().map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_two_agents_apart() {
        let check = |stem, expect| assert_eq!(kin_by_name(stem), expect, "{stem}");
        check("2026-11-22T20-33-14-318Z_01a204f6-844d-73c4-8b03-5aab158a0bf0", Some(Kin::Pi));
        check("2026-11-22T20-47-27-840Z_my-custom_id", Some(Kin::Pi));
        check("2026-11-22T20-57-27.240Z_10a9f8b7", Some(Kin::PiRust));
        for other in ["", "notes", "2026-11-22T20-33-14-318Z_", "2026-11-22T20-33-14-318Z"] {
            check(other, None);
        }
    }

    #[test]
    fn an_id_is_read_from_a_name_only_if_it_is_whole() {
        assert_eq!(id_in_name("/s/2026-11-22T20-47-27-840Z_my_id.jsonl"), Some("my_id"));
        for path in ["", "/", "/s/2026-11-22T20-57-27.240Z_10a9f8b7.jsonl", "/s/mine.jsonl"] {
            assert_eq!(id_in_name(path), None, "{path}");
        }
    }

    #[test]
    fn every_variable_and_setting_names_a_root() {
        let home = tempfile::tempdir().unwrap();
        let agent_dir = home.path().join("agent");
        std::fs::create_dir(&agent_dir).unwrap();
        let check = |settings: &str, vars: &[(&str, &str)], expect: &[&str]| {
            std::fs::write(agent_dir.join("settings.json"), settings).unwrap();
            let ours =
                [("HOME", home.path().to_str().unwrap()), ("PI_CODING_AGENT_DIR", "~/agent")];
            let vars = ours.iter().chain(vars).map(|(name, value)| (name.into(), value.into()));
            let roots = roots(&Env::of_vars(vars.collect()).unwrap());
            let below_home: Vec<_> =
                roots.iter().map(|it| it.strip_prefix(home.path()).unwrap_or(it)).collect();
            assert_eq!(below_home, expect.iter().map(Path::new).collect::<Vec<_>>());
        };
        check("{}", &[], &["agent/sessions"]);
        check("not json", &[("PI_SESSIONS_DIR", "/s")], &["agent/sessions", "/s"]);
        check("{}", &[("PI_CODING_AGENT_SESSION_DIR", "~/flat")], &["agent/sessions", "flat"]);
        check(r#"{"sessionDir":"~/mine"}"#, &[], &["agent/sessions", "mine"]);
        check(r#"{"sessionDir":"sessions"}"#, &[("PWD", "/p")], &["agent/sessions", "/p/sessions"]);
        check(r#"{"sessionDir":5}"#, &[], &["agent/sessions"]);
    }
}
