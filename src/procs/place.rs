//! Where process ids mean what they mean: one start of a machine, or of a container on it.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The kernel's first namespace of process ids, which is the machine's own.
const MACHINE: &str = "pid:[4026531836]";

/// A start of a machine or of a container. What is not known of it does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The start of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    boot: Option<String>,
    /// The namespace of process ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    processes: Option<String>,
    /// The namespace of clocks, by which the starts of processes are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clocks: Option<String>,
    /// What outlives a start: the machine's id, or the container's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

/// What processes of another place are, seen from this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// This is where they are.
    Here,
    /// They were here before the last start, and are no more.
    Past,
    /// They cannot be seen from here.
    Elsewhere,
}

impl Place {
    /// Where this is, by the directory that shows the processes.
    pub fn here(root: &Path) -> Self {
        let namespace = |of: &str| {
            let link = super::linux::link(root, &format!("self/ns/{of}"));
            link.and_then(|it| it.into_os_string().into_string().ok())
        };
        let (processes, clocks) = (namespace("pid"), namespace("time"));
        // Containers of one image may have one machine id between them; their names differ.
        let is_machine = processes.as_deref() == Some(MACHINE);
        let machine = word(Path::new("/etc/machine-id")).filter(|_| is_machine);
        let name = machine.or_else(|| word(&root.join("sys/kernel/hostname")));
        Self { boot: super::linux::boot_id(root), processes, clocks, name }
    }

    /// What the processes of `other` are from here.
    pub fn sees(&self, other: &Self) -> Sight {
        if self.boot == other.boot && self.processes == other.processes {
            // They are there, but start at other times than they were noted to.
            let clocks = self.clocks.as_ref().zip(other.clocks.as_ref());
            if clocks.is_none_or(|(a, b)| a == b) { Sight::Here } else { Sight::Elsewhere }
        } else if self.name.is_some() && self.name == other.name {
            Sight::Past
        } else {
            Sight::Elsewhere
        }
    }
}

fn word(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|it| !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(boot: &str, processes: &str, name: &str) -> Place {
        let known = |it: &str| (!it.is_empty()).then(|| it.to_owned());
        Place { boot: known(boot), processes: known(processes), clocks: None, name: known(name) }
    }

    #[test]
    fn a_restart_ends_processes_and_another_place_hides_them() {
        let here = place("b1", MACHINE, "m1");
        let check = |other: Place, expect| assert_eq!(here.sees(&other), expect, "{other:?}");
        check(here.clone(), Sight::Here);
        check(place("b1", MACHINE, "renamed"), Sight::Here);
        let by = |clocks: &str| Place { clocks: Some(clocks.into()), ..here.clone() };
        check(by("time:[1]"), Sight::Here);
        assert_eq!(by("time:[1]").sees(&by("time:[1]")), Sight::Here);
        assert_eq!(by("time:[1]").sees(&by("time:[2]")), Sight::Elsewhere);
        check(place("b0", MACHINE, "m1"), Sight::Past);
        check(place("b0", MACHINE, "m2"), Sight::Elsewhere);
        check(place("b1", "pid:[4026532000]", "box"), Sight::Elsewhere);
        check(place("b0", MACHINE, ""), Sight::Elsewhere);
        let restarted = place("b1", "pid:[4026532001]", "box");
        assert_eq!(restarted.sees(&place("b1", "pid:[4026532000]", "box")), Sight::Past);
        assert_eq!(place("b1", "x", "").sees(&place("b0", "x", "")), Sight::Elsewhere);
    }

    #[test]
    fn this_place_is_here() {
        let here = Place::here(Path::new(crate::procs::PROC));
        assert_eq!(here.sees(&Place::here(Path::new(crate::procs::PROC))), Sight::Here);
        assert!(here.boot.is_some() && here.processes.is_some());
    }
}
