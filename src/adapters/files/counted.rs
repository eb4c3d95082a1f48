//! Transcripts in which a line says how many of the last prompts the conversation goes back over. PURE.

/// How lines are read for that.
#[derive(Clone, Copy)]
pub struct Counted {
    /// How many prompts the conversation goes back over here; nothing for all other lines.
    pub back_over: fn(&[u8]) -> Option<u64>,
    /// Whether a line is a prompt, with which what it counts begins.
    pub is_prompt: fn(&[u8]) -> bool,
}

impl Counted {
    /// The lines that were not abandoned, of the end of a transcript, the newest first; nothing where the conversation went
    /// back to before these lines. `is_whole`: nothing before them is looked at.
    pub(super) fn followed<'a>(
        &self,
        newest_first: Vec<&'a [u8]>,
        is_whole: bool,
    ) -> Option<Vec<&'a [u8]>> {
        let mut followed = Vec::with_capacity(newest_first.len());
        let mut abandoned = 0_u64;
        for line in newest_first {
            if let Some(prompts) = (self.back_over)(line) {
                abandoned = abandoned.saturating_add(prompts);
            } else if abandoned == 0 {
                followed.push(line);
            } else if (self.is_prompt)(line) {
                abandoned -= 1;
            }
        }
        (is_whole || abandoned == 0).then_some(followed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::newest_first;
    use super::*;

    /// `<2` goes back over two prompts, which are capital letters.
    const COUNTED: Counted = Counted {
        back_over: |line| str::from_utf8(line).unwrap().strip_prefix('<')?.parse().ok(),
        is_prompt: |line| line[0].is_ascii_uppercase(),
    };

    fn check(lines: &'static str, is_whole: bool, expect: Option<&'static str>) {
        let followed = COUNTED.followed(newest_first(lines), is_whole);
        assert_eq!(followed, expect.map(newest_first), "{lines}");
    }

    #[test]
    fn what_was_gone_back_over_is_left_out() {
        for (lines, expect) in [
            ("A a B b C c", "A a B b C c"),
            ("A a B b C c <1 D d", "A a B b D d"),
            ("A a B b C c <2 D d", "A a D d"),
            ("A a B b <1 C c D d <1 E e", "A a C c E e"),
            ("A a B b C c <1 D d <2 E e", "A a E e"),
            ("A a B b <1 <1 C c", "C c"),
            ("A a <0 B b", "A a B b"),
            ("A a B b <2", ""),
            // Over more than there ever was.
            ("A a B b <18446744073709551615 C c <7 D d", "D d"),
        ] {
            check(lines, true, Some(expect));
        }
    }

    #[test]
    fn the_end_of_a_transcript_tells_unless_the_conversation_went_back_before_it() {
        check("b C c <1 D d", false, Some("b D d"));
        check("b C c <2 D d", false, None);
        check("c <1 D d", false, None);
    }
}
