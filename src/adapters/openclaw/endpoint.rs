//! Where OpenClaw's gateway listens, and the token it is shown.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio_tungstenite::tungstenite::http::Uri;

use crate::adapters::evidence::{problem, problem_at};
use crate::adapters::files::read_small;
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
    pub(super) token: Option<Token>,
}

/// A gateway's shared secret: it lets its holder do everything. Only a loopback address is ever sent it, and
/// nothing that prints shows it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Token(String);

impl Token {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The secret itself, for the one frame that carries it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Endpoint {
    /// The gateway, without its token or what else its URL holds.
    pub(super) fn shown(&self) -> String {
        let at = self.addresses.first();
        format!("the gateway at {}", at.map_or("no address".into(), SocketAddr::to_string))
    }

    /// What a gateway said, fit to be shown: short, printable, and without the token if it echoes it.
    pub(super) fn quoted(&self, said: &str) -> String {
        let said = match &self.token {
            Some(token) => said.replace(token.reveal(), "…"),
            None => said.to_owned(),
        };
        said.chars().map(|it| if it.is_control() { ' ' } else { it }).take(SAYING_MAX).collect()
    }
}

/// The gateway that this user set up; nothing where there is no trace of one.
///
/// `OPENCLAW_GATEWAY_URL` is taken with `OPENCLAW_GATEWAY_TOKEN` alone, as OpenClaw does it: the token in its
/// settings belongs to the gateway that the settings describe.
pub(super) fn find(env: &Env) -> Result<Option<Endpoint>, Problem> {
    let told_token = text(env, "OPENCLAW_GATEWAY_TOKEN").and_then(Token::parse);
    if let Some(url) = text(env, "OPENCLAW_GATEWAY_URL") {
        return Ok(Some(Endpoint {
            addresses: loopback(url)?,
            url: url.into(),
            token: told_token,
        }));
    }
    let told_port = match text(env, "OPENCLAW_GATEWAY_PORT") {
        Some(port) => Some(port.parse().map_err(|_| {
            let message = format!("OPENCLAW_GATEWAY_PORT is `{port}`, which is no port");
            problem(ProblemKind::Malformed, message)
        })?),
        None => None,
    };
    let state = state_dir(env);
    let settings_file =
        env.path_var("OPENCLAW_CONFIG_PATH").unwrap_or_else(|| state.join("openclaw.json"));
    let settings = read_settings(&settings_file)?;
    let is_told = told_port.is_some() || told_token.is_some();
    if !is_told && settings.is_none() && !state.is_dir() {
        return Ok(None);
    }
    let gateway = settings.and_then(|it| it.gateway).unwrap_or_default();
    if gateway.tls.is_some_and(|it| it.enabled) {
        let message = "the gateway is set up for TLS, which is not spoken here";
        return Err(problem_at(ProblemKind::Protocol, &settings_file, message));
    }
    let port = told_port.or(gateway.port).unwrap_or_else(|| default_port(profile(env)));
    let written_token = gateway.auth.and_then(|it| it.token).and_then(|it| it.resolve(env));
    Ok(Some(Endpoint {
        url: format!("ws://127.0.0.1:{port}"),
        addresses: vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()],
        token: told_token.or(written_token),
    }))
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

/// What of `openclaw.json` matters here. The file may be JSON5; what the gateway itself writes is JSON.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    gateway: Option<Gateway>,
}

#[derive(Debug, Default, Deserialize)]
struct Gateway {
    port: Option<u16>,
    auth: Option<Auth>,
    tls: Option<Tls>,
}

#[derive(Debug, Deserialize)]
struct Auth {
    token: Option<WrittenToken>,
}

#[derive(Debug, Deserialize)]
struct Tls {
    #[serde(default)]
    enabled: bool,
}

/// A token in the settings: itself, the name of a variable, or a reference to a keeper of secrets, which is
/// not asked.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum WrittenToken {
    Text(Token),
    Reference(serde::de::IgnoredAny),
}

impl WrittenToken {
    fn resolve(self, env: &Env) -> Option<Token> {
        let Self::Text(token) = self else { return None };
        match token.reveal().strip_prefix("${").and_then(|it| it.strip_suffix('}')) {
            Some(name) => text(env, name).and_then(Token::parse),
            None => Token::parse(token.reveal()),
        }
    }
}

/// The settings; nothing where there is no such file.
fn read_settings(path: &Path) -> Result<Option<Settings>, Problem> {
    let bytes = match read_small(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem_at(ProblemKind::Unreadable, path, error.to_string())),
    };
    // The parser's own words could quote what it met, a token among it: the place is all that is told.
    serde_json::from_slice(&bytes).map(Some).map_err(|error| {
        let message = "the gateway's settings are no JSON with a port and a token";
        let line = u64::try_from(error.line()).ok();
        Problem { line, ..problem_at(ProblemKind::Malformed, path, message) }
    })
}
