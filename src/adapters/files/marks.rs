//! Transcripts in which a line says that the conversation goes back to before an earlier one, or goes on in the place of
//! another. PURE.

use std::collections::BTreeSet;

/// How lines are read for that.
#[derive(Clone, Copy)]
pub struct Marks {
    /// The id of what the conversation goes back to before; nothing for all other lines.
    pub back_to: fn(&[u8]) -> Option<String>,
    /// The id of what a line holds.
    pub id: fn(&[u8]) -> Option<String>,
    /// The ids of all that the conversation consists of, where a line says so.
    pub all: fn(&[u8]) -> Option<BTreeSet<String>>,
}

impl Marks {
    /// The lines that were not abandoned, of the end of a transcript, the newest first; nothing where the conversation went
    /// back to before these lines. `is_whole`: nothing before them is looked at.
    pub(super) fn followed<'a>(
        &self,
        newest_first: Vec<&'a [u8]>,
        is_whole: bool,
    ) -> Option<Vec<&'a [u8]>> {
        let mut followed = Vec::with_capacity(newest_first.len());
        // The first of what was abandoned.
        let mut first: Option<String> = None;
        // What the newest line that says so calls all, and whether the newest of that has been met.
        let (mut all, mut is_met) = (None, false);
        for line in newest_first {
            match &all {
                None => all = (self.all)(line),
                Some(all) => {
                    let is_of_it = (self.id)(line).is_some_and(|it| all.contains(&it));
                    is_met |= is_of_it;
                    // What came after the newest was asked in vain, and asked all the same; what came before and is no
                    // part of it is another conversation.
                    if is_met && !is_of_it && first.is_none() {
                        continue;
                    }
                }
            }
            if first.is_some() {
                if (self.id)(line) == first {
                    first = None;
                }
            } else if let Some(id) = (self.back_to)(line) {
                first = Some(id);
            } else {
                followed.push(line);
            }
        }
        (is_whole || first.is_none()).then_some(followed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::newest_first;
    use super::*;

    /// `<a` goes back to before `a`.
    const MARKS: Marks = Marks {
        back_to: |line| str::from_utf8(line).unwrap().strip_prefix('<').map(str::to_owned),
        id: |line| Some(str::from_utf8(line).unwrap().to_owned()),
        all: |line| {
            let all = str::from_utf8(line).unwrap().strip_prefix('=')?;
            Some(all.split(',').map(str::to_owned).collect())
        },
    };

    fn check(lines: &'static str, is_whole: bool, expect: Option<&'static str>) {
        let followed = MARKS.followed(newest_first(lines), is_whole);
        assert_eq!(followed, expect.map(newest_first), "{lines}");
    }

    #[test]
    fn what_was_gone_back_behind_is_left_out() {
        for (lines, expect) in [
            ("a b c", "a b c"),
            ("a b c <b d", "a d"),
            ("a b c <b d e <e f", "a d f"),
            ("a b c <c d <b e", "a e"),
            ("a b c <b d e <a f", "f"),
            ("a b <a", ""),
            // To before what was never there.
            ("a b <x c", "c"),
        ] {
            check(lines, true, Some(expect));
        }
    }

    #[test]
    fn what_another_conversation_has_taken_the_place_of_is_left_out() {
        for (lines, expect) in [
            ("a b c d =c,d e", "c d =c,d e"),
            // What was asked in vain came after all that is left.
            ("a b c =a,b d", "a b c =a,b d"),
            ("a b c =a,c d", "a c =a,c d"),
            ("a b =b c d =d e", "d =d e"),
            ("a b c =c d <d", "c =c"),
            ("a b c d =c,d e <d f", "c f"),
            ("a b c d =c,d e <c f", "f"),
            ("a b =x c", "a b =x c"),
        ] {
            check(lines, true, Some(expect));
        }
    }

    #[test]
    fn the_end_of_a_transcript_tells_unless_the_conversation_went_back_before_it() {
        check("b c <b d", false, Some("d"));
        check("b c <a d", false, None);
        check("b c <c d", false, Some("b d"));
    }
}
