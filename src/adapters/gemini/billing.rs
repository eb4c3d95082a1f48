//! Who bills Gemini CLI (0.61.0): the kind of login that its settings select. Without one it does not run, whatever
//! variables are set.

use serde::Deserialize;

use crate::adapters::billing::{Billing, said};
use crate::env::Env;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    security: Security,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Security {
    auth: Auth,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Auth {
    selected_type: Option<String>,
}

pub(super) fn billing(env: &Env) -> Option<Billing> {
    let file = super::roots(env).pop()?.join("settings.json");
    let Settings { security } = said(&file)?;
    let payer = match security.auth.selected_type?.as_str() {
        "gemini-api-key" => "the API, by key".to_owned(),
        other => format!("the login of kind `{other}`"),
    };
    Some(Billing::new(payer, format!("selectedType is in {}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::billing::testing::check;

    #[test]
    fn the_selected_login_is_billed_and_nothing_else() {
        let selected = |it| format!(r#"{{"security": {{"auth": {{"selectedType": "{it}"}}}}}}"#);
        let (key, google) = (selected("gemini-api-key"), selected("oauth-personal"));
        let because = "selectedType is in ~/.gemini/settings.json";
        let variable = ("GEMINI_API_KEY", "secret");
        check(billing, &[], &[variable], None);
        check(billing, &[(".gemini/settings.json", "{}")], &[variable], None);
        check(
            billing,
            &[(".gemini/settings.json", &key)],
            &[variable],
            Some(("the API, by key", because)),
        );
        let expect = Some(("the login of kind `oauth-personal`", because));
        check(billing, &[(".gemini/settings.json", &google)], &[], expect);
    }
}
