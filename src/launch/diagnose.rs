//! What a launch failed at, by what the agent said last. PURE.

use crate::protocol::error::Stage;

/// Words of agents, and what they are about; the first that is found decides.
/// Claude Code 2.1.197, Codex 0.169, Gemini CLI 0.61, Pi 0.73, OpenCode 1.18, OpenClaw 2026.9; in lower case.
const WORDS: [(&str, Stage); 19] = [
    ("not inside a trusted directory", Stage::Trust),
    ("do you trust", Stage::Trust),
    ("is not trusted", Stage::Trust),
    ("workspace trust", Stage::Trust),
    ("failed to authenticate", Stage::Auth),
    ("authentication_failed", Stage::Auth),
    ("please run /login", Stage::Auth),
    ("not logged in", Stage::Auth),
    ("invalid api key", Stage::Auth),
    ("invalid auth method", Stage::Auth),
    ("no authentication information", Stage::Auth),
    ("no api key", Stage::Auth),
    ("401 unauthorized", Stage::Auth),
    ("unknown model", Stage::Model),
    ("unknown provider", Stage::Model),
    ("model not found", Stage::Model),
    ("no models available", Stage::Model),
    ("issue with the selected model", Stage::Model),
    ("no models match", Stage::Model),
];

/// The stage that the output speaks of; [`Stage::Exit`] where it says nothing known. Agents repeat their prompt: what
/// stands in that says nothing.
pub(super) fn stage(output: &str, prompt: &str) -> Stage {
    let (output, prompt) = (output.to_lowercase(), prompt.to_lowercase());
    let found = WORDS.iter().find(|(words, _)| output.contains(words) && !prompt.contains(words));
    found.map_or(Stage::Exit, |(_, stage)| *stage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(output: &str) -> Stage {
        super::stage(output, "Tell why it says `Not logged in`")
    }

    #[test]
    fn agents_words_tell_what_failed() {
        let codex = "Not inside a trusted directory and --skip-git-repo-check was not specified.";
        assert_eq!(stage(codex), Stage::Trust);
        assert_eq!(stage("Failed to authenticate. API Error: 401 …"), Stage::Auth);
        assert_eq!(stage("Invalid auth method selected."), Stage::Auth);
        assert_eq!(stage("Error: Unknown model nope"), Stage::Model);
        let openclaw = "Unknown provider \"nope\". Use /models to list providers.";
        assert_eq!(stage(openclaw), Stage::Model);
        assert_eq!(stage("Error: Session ID x is already in use."), Stage::Exit);
        assert_eq!(stage(""), Stage::Exit);
        assert_eq!(stage("> Tell why it says `Not logged in`\nPlease run /login"), Stage::Auth);
        assert_eq!(stage("> Tell why it says `Not logged in`\nEPIPE"), Stage::Exit);
    }
}
