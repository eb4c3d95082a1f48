use super::*;

/// What is found with these variables: the URL, the token and the password.
fn found(home: &TempDir, vars: &[(&str, &str)]) -> (String, Option<String>, Option<String>) {
    let scope = FakeProc::new().scope_with(home.path(), vars);
    found_in(&scope)
}

fn found_in(scope: &Scope) -> (String, Option<String>, Option<String>) {
    let found = endpoint::find(&scope.env).unwrap().unwrap();
    let plain = |it: Option<endpoint::Secret>| it.map(|it| it.reveal().to_owned());
    (found.url, plain(found.shown.token), plain(found.shown.password))
}

fn url(port: u16) -> String {
    format!("ws://127.0.0.1:{port}")
}

#[test]
fn settings_are_json5() {
    let home = tempfile::tempdir().unwrap();
    settings(
        &home,
        "// mine\n{\n  gateway: {\n    port: 4711, // another one\n    auth: { token: 'told', },\n  },\n}\n",
    );
    assert_eq!(found(&home, &[]), (url(4711), Some("told".into()), None));
    settings(&home, "{\n  gateway: { port: 4711 }\n  auth: 1 }");
    let survey = survey(&testing::scope_at(home.path()));
    assert_eq!(survey.problems[0].line, Some(3));
}

#[test]
fn settings_may_be_spread_over_files() {
    let home = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = home.path().join(".openclaw").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    settings(
        &home,
        "{ $include: 'all.json5', gateway: { $include: ['a/gateway.json', 'b.json'] } }",
    );
    file("all.json5", "{ gateway: { port: 1, auth: { token: 'early' } } }");
    file("a/gateway.json", "{ $include: 'auth.json', port: 4711 }");
    file("a/auth.json", "{ auth: { token: 'of the file' } }");
    file("b.json", "{ auth: { mode: 'token' } }");
    assert_eq!(found(&home, &[]), (url(4711), Some("of the file".into()), None));
    let problem = || survey(&testing::scope_at(home.path())).problems[0].clone();
    file("a/auth.json", "{ auth: }");
    assert!(problem().path.unwrap().as_path().ends_with("a/auth.json"));
    for unusable in ["'openclaw.json'", "'absent.json'", "1", "[{}]"] {
        settings(&home, &format!("{{ $include: {unusable} }}"));
        assert!(problem().path.unwrap().as_path().ends_with("openclaw.json"), "{unusable}");
    }
}

#[test]
fn variables_may_stand_beside_and_in_the_settings() {
    let home = tempfile::tempdir().unwrap();
    settings(
        &home,
        r#"{"env": {"vars": {"KEPT": "inline", "OPENCLAW_GATEWAY_PORT": "4712"}},
            "gateway": {"port": 1, "auth": {"token": "${KEPT}"}}}"#,
    );
    assert_eq!(found(&home, &[]), (url(4712), Some("inline".into()), None));
    let beside = home.path().join(".openclaw/.env");
    std::fs::write(&beside, "# mine\nOTHER=\nexport KEPT='of the file' # x\nnonsense\n=x\n")
        .unwrap();
    assert_eq!(found(&home, &[]).1.as_deref(), Some("of the file"));
    std::fs::write(&beside, "KEPT=x\nOPENCLAW_GATEWAY_TOKEN=of-the-file # and no more\n").unwrap();
    assert_eq!(found(&home, &[]).1.as_deref(), Some("of-the-file"));
    let told = [("OPENCLAW_GATEWAY_TOKEN", "told")];
    assert_eq!(found(&home, &told).1.as_deref(), Some("told"));
}

#[test]
fn a_gateway_is_shown_what_it_asks_for() {
    let home = tempfile::tempdir().unwrap();
    let both = |mode: &str| {
        let auth = json!({ "token": "t", "password": "p" });
        let mut written = json!({ "gateway": { "port": 1, "auth": auth } });
        if !mode.is_empty() {
            written["gateway"]["auth"]["mode"] = mode.into();
        }
        settings(&home, &written.to_string());
        let (_, token, password) = found(&home, &[]);
        (token.is_some(), password.is_some())
    };
    assert_eq!(both("token"), (true, false));
    assert_eq!(both("password"), (false, true));
    assert_eq!(both("none"), (false, false));
    assert_eq!(both(""), (true, true));
    let told = [("OPENCLAW_GATEWAY_PASSWORD", "told")];
    settings(&home, r#"{"gateway": {"port": 1, "auth": {"mode": "password"}}}"#);
    assert_eq!(found(&home, &told).2.as_deref(), Some("told"));
}

#[test]
fn a_password_is_sent_as_one_and_never_shown() {
    let echo = |said: &str| json!({ "type": "res", "ok": false, "error": { "message": said } });
    let gateway = StandIn::new(move |_, params| {
        let auth = &params["auth"];
        assert_eq!(auth.get("token"), None);
        Reply::Frame(echo(&format!("bad password {}", auth["password"].as_str().unwrap())))
    });
    let home = tempfile::tempdir().unwrap();
    let auth = json!({ "mode": "password", "password": SECRET });
    settings(&home, &json!({ "gateway": { "port": gateway.port, "auth": auth } }).to_string());
    let (_, _, message) = only_problem(&survey(&testing::scope_at(home.path())));
    assert_eq!(message, "refused `connect`: bad password …");
}

#[test]
fn a_gateway_on_another_machine_is_named_and_not_asked() {
    let gateway = StandIn::recorded();
    let home = tempfile::tempdir().unwrap();
    let remote = json!({ "url": "ws://gateway.example:18789", "token": SECRET });
    let written =
        json!({ "gateway": { "mode": "remote", "port": gateway.port, "remote": remote } });
    settings(&home, &written.to_string());
    let (outcome, kind, message) = only_problem(&survey(&testing::scope_at(home.path())));
    assert_eq!((outcome, kind), (Outcome::Failed, ProblemKind::Unreachable));
    assert!(message.contains("`gateway.mode` is `remote`"), "{message}");
    assert_eq!(gateway.asked.try_iter().count(), 0);
}

/// Writes the lock of a gateway with that process and port.
fn lock(home: &TempDir, pid: u32, start: u64, port: u16) {
    let dir = home.path().join(".openclaw/tmp").join(format!("openclaw-{}", nix::unistd::getuid()));
    std::fs::create_dir_all(&dir).unwrap();
    let config = home.path().join("its-own.json");
    let lock = json!({ "pid": pid, "startTime": start, "port": port, "configPath": config });
    // It is padded, and the padding is white space.
    std::fs::write(dir.join("gateway.state.lock"), format!("{lock:#}\n\t \t")).unwrap();
}

#[test]
fn a_gateway_that_runs_is_found_where_it_listens() {
    let home = tempfile::tempdir().unwrap();
    settings(&home, r#"{"gateway": {"mode": "remote", "port": 1, "auth": {"token": "written"}}}"#);
    std::fs::write(home.path().join("its-own.json"), r#"{gateway: {auth: {token: "its own"}}}"#)
        .unwrap();
    let table = FakeProc::new();
    table.process(77, 900, "openclaw-gatewa");
    lock(&home, 77, 900, 4713);
    let scope = table.scope_with(home.path(), &[]);
    assert_eq!(found_in(&scope), (url(4713), Some("its own".into()), None));
    let scope = table.scope_with(home.path(), &[("OPENCLAW_GATEWAY_PORT", "4714")]);
    assert_eq!(found_in(&scope).0, url(4714));
}

#[test]
fn a_lock_that_nobody_holds_any_more_says_nothing() {
    let home = tempfile::tempdir().unwrap();
    settings(&home, r#"{"gateway": {"port": 4715}}"#);
    let table = FakeProc::new();
    table.process(77, 900, "bash");
    let scope = table.scope_with(home.path(), &[]);
    // Another process has that id now, or none has.
    lock(&home, 77, 899, 4713);
    assert_eq!(found_in(&scope).0, url(4715));
    lock(&home, 78, 900, 4713);
    assert_eq!(found_in(&scope).0, url(4715));
}
