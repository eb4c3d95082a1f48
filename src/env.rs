//! The only reader of the environment: variables, the home directory and the places of our own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::base::AbsPath;
use crate::procs::PROC;

/// What a request may know of the world outside: variables, home, and where processes are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Env {
    home: AbsPath,
    vars: BTreeMap<OsString, OsString>,
    proc_root: PathBuf,
}

impl Env {
    /// The environment of this process; nothing where it has no usable home directory.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_this_process() -> Option<Self> {
        Self::of_vars(std::env::vars_os().collect())
    }

    /// The environment of this process, seen from another home; see [`Env::at_home`].
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads it")]
    pub fn of_this_process_at(home: AbsPath) -> Self {
        let here = Self {
            home: home.clone(),
            vars: std::env::vars_os().collect(),
            proc_root: PROC.into(),
        };
        here.at_home(home)
    }

    /// An environment made of variables, of which `HOME` must be an absolute path.
    pub fn of_vars(vars: BTreeMap<OsString, OsString>) -> Option<Self> {
        let home = vars.get(OsStr::new("HOME")).and_then(AbsPath::parse)?;
        Some(Self { home, vars, proc_root: PathBuf::from(PROC) })
    }

    /// The same world seen from another home: its stores lie below `home`, wherever variables point.
    /// What is headcount's own (`HEADCOUNT_…`, `PATH`) and what tells of the terminal (`NO_COLOR`, `TERM`) stays.
    #[must_use]
    pub fn at_home(&self, home: AbsPath) -> Self {
        let ours = |name: &OsStr| {
            ["PATH", "NO_COLOR", "TERM"].iter().any(|it| name == *it)
                || name.as_encoded_bytes().starts_with(b"HEADCOUNT_")
        };
        let vars = self.vars.iter().filter(|(name, _)| ours(name));
        let mut vars: BTreeMap<_, _> = vars.map(|(k, v)| (k.clone(), v.clone())).collect();
        vars.insert("HOME".into(), home.as_path().into());
        Self { home, vars, proc_root: self.proc_root.clone() }
    }

    /// The same world with its processes read from a recorded table.
    #[must_use]
    pub fn with_proc_root(self, proc_root: PathBuf) -> Self {
        Self { proc_root, ..self }
    }

    pub fn home(&self) -> &AbsPath {
        &self.home
    }

    /// A path below the home directory.
    pub fn in_home(&self, relative: &str) -> PathBuf {
        self.home.as_path().join(relative)
    }

    /// A variable that is set and not empty.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.vars.get(OsStr::new(name)).map(OsString::as_os_str).filter(|it| !it.is_empty())
    }

    /// A variable that names a directory or file; relative ones are taken from the home directory.
    pub fn path_var(&self, name: &str) -> Option<PathBuf> {
        self.var(name).map(|it| self.home.as_path().join(it))
    }

    /// Every variable, for a process that is to be started with the same environment.
    pub fn vars(&self) -> &BTreeMap<OsString, OsString> {
        &self.vars
    }

    /// `XDG_DATA_HOME`, else `~/.local/share`.
    pub fn data_home(&self) -> PathBuf {
        self.path_var("XDG_DATA_HOME").unwrap_or_else(|| self.in_home(".local/share"))
    }

    /// `XDG_CONFIG_HOME`, else `~/.config`.
    pub fn config_home(&self) -> PathBuf {
        self.path_var("XDG_CONFIG_HOME").unwrap_or_else(|| self.in_home(".config"))
    }

    /// Where headcount keeps its own: the ledger, the logs.
    pub fn state_dir(&self) -> PathBuf {
        self.path_var("HEADCOUNT_STATE_DIR").unwrap_or_else(|| {
            let state = self.path_var("XDG_STATE_HOME");
            state.unwrap_or_else(|| self.in_home(".local/state")).join("headcount")
        })
    }

    /// The directory that shows the processes.
    pub fn proc_root(&self) -> &Path {
        &self.proc_root
    }

    /// The first executable file of that name on `PATH`.
    pub fn find_program(&self, name: &str) -> Option<PathBuf> {
        Self::find_on(self.var("PATH")?, name)
    }

    /// The first executable file of that name in the directories of `path`.
    pub fn find_on(path: &OsStr, name: &str) -> Option<PathBuf> {
        Self::all_on(path, name).next()
    }

    /// Every executable file of that name in the directories of `path`, in their order.
    pub fn all_on(path: &OsStr, name: &str) -> impl Iterator<Item = PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let is_program = |it: &PathBuf| {
            it.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
        };
        std::env::split_paths(path)
            .filter(|dir| dir.is_absolute())
            .map(move |dir| dir.join(name))
            .filter(is_program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(vars: &[(&str, &str)]) -> Env {
        Env::of_vars(vars.iter().map(|(k, v)| (k.into(), v.into())).collect()).unwrap()
    }

    #[test]
    fn another_home_drops_what_points_out_of_it() {
        let here = env(&[
            ("HOME", "/home/a"),
            ("CODEX_HOME", "/else"),
            ("HEADCOUNT_STATE_DIR", "/s"),
            ("PATH", "/bin"),
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
        ]);
        let there = here.at_home(AbsPath::parse("/home/b").unwrap());
        assert_eq!(there.path_var("CODEX_HOME"), None);
        assert_eq!(there.var("NO_COLOR"), Some(OsStr::new("1")));
        assert_eq!(there.var("TERM"), Some(OsStr::new("dumb")));
        assert_eq!(there.state_dir(), PathBuf::from("/s"));
        assert_eq!(there.in_home(".codex"), PathBuf::from("/home/b/.codex"));
        assert_eq!(there.var("HOME"), Some(OsStr::new("/home/b")));
    }

    #[test]
    fn empty_variables_are_unset_and_relative_ones_start_at_home() {
        let here = env(&[("HOME", "/home/a"), ("X", ""), ("Y", "y")]);
        assert_eq!(here.var("X"), None);
        assert_eq!(here.path_var("Y"), Some(PathBuf::from("/home/a/y")));
        assert_eq!(Env::of_vars([("HOME".into(), "relative".into())].into()), None);
    }
}
