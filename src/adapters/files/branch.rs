//! Transcripts that are trees: each entry names the one before it, and what was abandoned stays in the file. PURE.

use std::collections::{HashMap, HashSet};

/// Where an entry hangs in its tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub id: String,
    /// The entry that it follows; nothing for the first.
    pub parent: Option<String>,
    /// Whether the conversation may have gone back for it: then what followed the same entry before was abandoned, with all
    /// that came of it. Other entries stand beside each other, as the results of several tools do.
    pub may_go_back: bool,
}

/// Reads where a line's entry hangs; nothing for lines that are no entries of a tree.
pub type ReadLink = fn(&[u8]) -> Option<Link>;

/// The lines that were not abandoned, of the end of a transcript, the newest first, and each before what it follows;
/// nothing where the conversation went back to before these lines, so that they cannot tell. `is_whole`: nothing before
/// them is looked at.
pub(super) fn followed(
    newest_first: Vec<&[u8]>,
    read: ReadLink,
    is_whole: bool,
) -> Option<Vec<&[u8]>> {
    let written: Vec<_> = newest_first.into_iter().rev().map(|it| (it, read(it))).collect();
    let ordered = in_order(&written);
    let links = || ordered.iter().filter_map(|(_, link)| *link);
    let turns = || links().filter(|it| it.may_go_back);
    let known: HashSet<&str> = links().map(|it| it.id.as_str()).collect();
    let is_known = |it: &Link| it.parent.as_deref().is_some_and(|it| known.contains(it));
    // What the oldest of them follows stands before it.
    if !is_whole && !turns().skip(1).all(is_known) {
        return None;
    }
    let newest: HashMap<Option<&str>, &str> =
        turns().map(|it| (it.parent.as_deref(), it.id.as_str())).collect();
    let mut abandoned = HashSet::new();
    for Link { id, parent, may_go_back } in links() {
        let parent = parent.as_deref();
        let is_outdated = *may_go_back && newest[&parent] != id;
        if is_outdated || parent.is_some_and(|it| abandoned.contains(it)) {
            abandoned.insert(id.as_str());
        }
    }
    let is_followed = |it: Option<&Link>| it.is_none_or(|it| !abandoned.contains(it.id.as_str()));
    let followed = ordered.iter().rev().filter(|(_, link)| is_followed(*link));
    Some(followed.map(|(line, _)| *line).collect())
}

/// Puts each line behind the one that it follows, and leaves the others where they are: an answer may be written down
/// before what was asked.
fn in_order<'text, 'link>(
    lines: &'link [(&'text [u8], Option<Link>)],
) -> Vec<(&'text [u8], Option<&'link Link>)> {
    let ids = lines.iter().filter_map(|(_, link)| Some(link.as_ref()?.id.as_str()));
    let mut to_come: HashSet<&str> = ids.collect();
    let mut held: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut ordered = Vec::with_capacity(lines.len());
    for (at, (_, link)) in lines.iter().enumerate() {
        let parent = link.as_ref().and_then(|it| it.parent.as_deref());
        if let Some(parent) = parent.filter(|it| to_come.contains(it)) {
            held.entry(parent).or_default().push(at);
            continue;
        }
        let mut next = vec![at];
        while let Some(at) = next.pop() {
            ordered.push(at);
            let Some(link) = &lines[at].1 else { continue };
            to_come.remove(link.id.as_str());
            next.extend(held.remove(link.id.as_str()).into_iter().flatten().rev());
        }
    }
    // What follows itself, by whatever way round, stands before nothing and behind nothing.
    let mut left: Vec<usize> = held.into_values().flatten().collect();
    left.sort_unstable();
    ordered.extend(left);
    ordered.into_iter().map(|at| (lines[at].0, lines[at].1.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use super::super::newest_first;
    use super::*;

    /// `?a<b`: an entry `a` that follows `b`, and may go back; `a<b` one that may not.
    fn link(line: &[u8]) -> Option<Link> {
        let line = std::str::from_utf8(line).unwrap();
        let (id, parent) = line.trim_start_matches('?').split_once('<')?;
        let parent = (!parent.is_empty()).then(|| parent.to_owned());
        Some(Link { id: id.to_owned(), parent, may_go_back: line.starts_with('?') })
    }

    fn check(lines: &'static str, is_whole: bool, expect: Option<&'static str>) {
        let followed = followed(newest_first(lines), link, is_whole);
        assert_eq!(followed, expect.map(newest_first), "{lines}");
    }

    #[test]
    fn what_was_abandoned_is_left_out_with_all_that_came_of_it() {
        for (lines, expect) in [
            ("?a< b<a ?c<b d<c", "?a< b<a ?c<b d<c"),
            ("?a< b<a ?c<b d<c ?e<b f<e", "?a< b<a ?e<b f<e"),
            ("?a< b<a ?c<b d<c ?e<b note ?f<d ?g<b", "?a< b<a note ?g<b"),
            ("?a< b<a ?c<b d<c ?e< f<e", "?e< f<e"),
            // An answer that was written before what was asked.
            ("b<a ?a< ?c<b d<c ?e< f<e", "?e< f<e"),
            // Results of two tools.
            ("?a< b<a r1<b r2<b ?c<r2", "?a< b<a r1<b r2<b ?c<r2"),
        ] {
            check(lines, true, Some(expect));
        }
    }

    #[test]
    fn each_stands_behind_the_one_that_it_follows() {
        check("b<a ?a< ?c<b", true, Some("?a< b<a ?c<b"));
        check("c<b note d<b b<a ?a< ?e<d", true, Some("note ?a< b<a c<b d<b ?e<d"));
        // Some follow themselves, or what is not there.
        check("?a<a b<a ?c<x", true, Some("?c<x ?a<a b<a"));
        check("a<b b<a ?c<", true, Some("?c< a<b b<a"));
    }

    #[test]
    fn the_end_of_a_transcript_tells_unless_the_conversation_went_back_before_it() {
        check("d<c ?e<d f<e ?g<f", false, Some("d<c ?e<d f<e ?g<f"));
        check("?e<d f<e ?g<f", false, Some("?e<d f<e ?g<f"));
        check("?e<d f<e ?g<b", false, None);
        check("?e<d f<e ?g<b", true, Some("?e<d f<e ?g<b"));
        check("?e<d f<e ?g<", false, None);
        check("f<e ?g<", false, Some("f<e ?g<"));
    }
}
