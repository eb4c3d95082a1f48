//! Where OpenClaw's gateway listens, and the secret it is shown.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;
use tokio_tungstenite::tungstenite::http::Uri;

use super::lock::Running;
use super::settings::{self, Auth, Settings, Vars, Written};
use crate::adapters::evidence::{problem, problem_at};
use crate::env::Env;
use crate::protocol::session::{Problem, ProblemKind};

/// Where the gateway of the user without a profile listens.
const DEFAULT_PORT: u16 = 18789;

/// Most characters shown of what a gateway says.
const SAYING_MAX: usize = 300;

/// A gateway of this machine, and what it must be shown.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    /// What the WebSocket handshake asks for; it may carry more than should be shown.
    pub(super) url: String,
    /// The loopback addresses that the URL means; one of them is connected to, and no name is ever looked up.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) shown: Shown,
}

/// What a gateway is shown, of which it wants one.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) token: Option<Secret>,
    pub(super) password: Option<Secret>,
}

/// A gateway's shared secret: it lets its holder do everything. Only a loopback address is ever sent it, and
/// nothing that prints shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The secret itself, for the one frame that carries it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Endpoint {
    /// The gateway, without its secrets or what else its URL holds.
    pub(super) fn shown(&self) -> String {
        let at = self.addresses.first();
        format!("the gateway at {}", at.map_or("no address".into(), SocketAddr::to_string))
    }

    /// What a gateway said, fit to be shown: short, printable, and without a secret if it echoes one.
    pub(super) fn quoted(&self, said: &str) -> String {
        let secrets = [&self.shown.token, &self.shown.password].into_iter().flatten();
        let said = secrets.fold(said.to_owned(), |said, it| said.replace(it.reveal(), "…"));
        said.chars().map(|it| if it.is_control() { ' ' } else { it }).take(SAYING_MAX).collect()
    }
}

/// The gateway that this user set up; nothing where there is no trace of one.
///
/// `OPENCLAW_GATEWAY_URL` is taken with the secrets in variables alone, as OpenClaw does it: those in its settings
/// belong to the gateway that the settings describe.
pub(super) fn find(env: &Env) -> Result<Option<Endpoint>, Problem> {
    let state = state_dir(env);
    let mut vars = Vars::read(env, &state)?;
    if let Some(url) = vars.text("OPENCLAW_GATEWAY_URL") {
        return Ok(Some(Endpoint {
            addresses: loopback(url)?,
            url: url.into(),
            shown: Shown {
                token: vars.secret("OPENCLAW_GATEWAY_TOKEN"),
                password: vars.secret("OPENCLAW_GATEWAY_PASSWORD"),
            },
        }));
    }
    let running = Running::of(&state, env.proc_root());
    let settings_file = env
        .path_var("OPENCLAW_CONFIG_PATH")
        .or_else(|| running.as_ref()?.config_path.clone())
        .unwrap_or_else(|| state.join("openclaw.json"));
    let settings = settings::read(&settings_file)?;
    vars.complete(settings.as_ref().unwrap_or(&Settings::default()));
    let told_port = match vars.text("OPENCLAW_GATEWAY_PORT") {
        Some(port) => Some(port.parse().map_err(|_| {
            let message = format!("OPENCLAW_GATEWAY_PORT is `{port}`, which is no port");
            problem(ProblemKind::Malformed, message)
        })?),
        None => None,
    };
    let is_told = told_port.is_some() || vars.text("OPENCLAW_GATEWAY_TOKEN").is_some();
    if !is_told && settings.is_none() && !state.is_dir() {
        return Ok(None);
    }
    let gateway = settings.unwrap_or_default().gateway;
    // What runs knows better than what was written down for the next one.
    let here = told_port.or(running.map(|it| it.port));
    if here.is_none() && gateway.is_remote() {
        let message =
            "the gateway is on another machine (`gateway.mode` is `remote`), and is not asked";
        return Err(problem_at(ProblemKind::Unreachable, &settings_file, message));
    }
    if gateway.speaks_tls() {
        let message = "the gateway is set up for TLS, which is not spoken here";
        return Err(problem_at(ProblemKind::Protocol, &settings_file, message));
    }
    let port = here.or(gateway.port).unwrap_or_else(|| default_port(profile(env)));
    Ok(Some(Endpoint {
        url: format!("ws://127.0.0.1:{port}"),
        addresses: vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()],
        shown: shown(&gateway.auth, &vars),
    }))
}

/// What the gateway of these settings is to be shown; a variable comes before what is written.
fn shown(auth: &Auth, vars: &Vars<'_>) -> Shown {
    let secret = |name: &str, written: &Option<Written>, mode: &str| {
        let is_wanted = auth.mode.as_deref().is_none_or(|it| it == mode);
        let written = || written.as_ref().and_then(|it| it.resolve(vars));
        vars.secret(name).or_else(written).filter(|_| is_wanted)
    };
    Shown {
        token: secret("OPENCLAW_GATEWAY_TOKEN", &auth.token, "token"),
        password: secret("OPENCLAW_GATEWAY_PASSWORD", &auth.password, "password"),
    }
}

/// The addresses that a URL of this machine means. A gateway elsewhere is not asked: its sessions are not of
/// this machine, and its token would travel in the clear.
fn loopback(url: &str) -> Result<Vec<SocketAddr>, Problem> {
    let refuse = |why: &str| {
        Err(problem(ProblemKind::Unreachable, format!("OPENCLAW_GATEWAY_URL is not used: {why}")))
    };
    let Ok(uri) = url.parse::<Uri>() else { return refuse("it is no URL") };
    if uri.scheme_str() != Some("ws") {
        return refuse("only ws:// on this machine is spoken");
    }
    let host = uri.host().unwrap_or_default();
    let behind_host =
        uri.authority().and_then(|it| it.as_str().rsplit_once(host)).map_or("", |(_, it)| it);
    let port = match (uri.port_u16(), behind_host) {
        (Some(port @ 1..), _) => port,
        (None, "" | ":") => 80,
        _ => return refuse("it names a port that is none of 1 to 65535"),
    };
    let host = host.trim_matches(['[', ']']);
    let hosts: Vec<IpAddr> = match host.parse::<IpAddr>() {
        Ok(address) if address.is_loopback() => vec![address],
        Err(_) if host.eq_ignore_ascii_case("localhost") => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        _ => return refuse("it names another machine, and the token is shown to loopback alone"),
    };
    Ok(hosts.into_iter().map(|host| SocketAddr::new(host, port)).collect())
}

/// Where the gateway keeps its own.
pub(super) fn state_dir(env: &Env) -> PathBuf {
    if let Some(dir) = env.path_var("OPENCLAW_STATE_DIR") {
        return dir;
    }
    let home = env.path_var("OPENCLAW_HOME").unwrap_or_else(|| env.home().as_path().to_owned());
    match profile(env) {
        Some(profile) => home.join(format!(".openclaw-{profile}")),
        None => home.join(".openclaw"),
    }
}

/// The name under which a second gateway of the same user is set up.
fn profile(env: &Env) -> Option<&str> {
    text(env, "OPENCLAW_PROFILE").filter(|it| !it.eq_ignore_ascii_case("default"))
}

/// Where a gateway listens that nobody told otherwise; a profile's port is made of its name (FNV-1a).
fn default_port(profile: Option<&str>) -> u16 {
    let Some(profile) = profile else { return DEFAULT_PORT };
    let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    let hash = profile.bytes().fold(2_166_136_261, mix);
    20_000 + u16::try_from(hash % 4_000).unwrap_or(0)
}

fn text<'a>(env: &'a Env, name: &str) -> Option<&'a str> {
    env.var(name).and_then(|it| it.to_str()).map(str::trim).filter(|it| !it.is_empty())
}
