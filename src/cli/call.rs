//! `headcount call`, and how the other commands reach the methods.

use std::io::{self, Read, Write};

use serde_json::Value;

use super::{FAILED, Failure};
use crate::adapters::REGISTRY;
use crate::env::Env;
use crate::rpc::{self, App};
use crate::transport;

/// Calls one method and prints its result; the error of a request that failed goes to stderr, as JSON too, and alone.
pub(super) fn run(env: Env, method: &str, params: Option<&str>) -> Result<u8, Failure> {
    let params = match params {
        None => Value::Null,
        Some("-") => {
            let mut text = String::new();
            io::stdin().read_to_string(&mut text)?;
            parse(&text)?
        }
        Some(text) => parse(text)?,
    };
    if let Some(why) = goes_on(&env, method) {
        return Err(Failure::Usage(why));
    }
    match request(env, method, &params) {
        Ok(result) => {
            let mut out = io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &result).map_err(io::Error::from)?;
            writeln!(out)?;
            Ok(0)
        }
        Err(Failure::Refused(error)) => {
            // Where stderr is gone, the exit code has to do.
            drop(writeln!(io::stderr(), "{error}"));
            Ok(FAILED)
        }
        Err(failure) => Err(failure),
    }
}

/// Why a method cannot be called alone: its news would come after the one reply that is waited for.
fn goes_on(env: &Env, method: &str) -> Option<String> {
    let router = rpc::router(App::new(env.clone(), REGISTRY));
    let card = router.cards().iter().find(|it| it.name == method)?;
    card.notification.map(|_| {
        format!("`{method}` goes on telling after its reply: send it to `headcount serve`")
    })
}

fn parse(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("the parameters are not JSON: {error}")))
}

/// Sends one request through the real connection, in memory, and returns its result.
pub(super) fn request(env: Env, method: &str, params: &Value) -> Result<Value, Failure> {
    let mut results = all(env, &[(method, params.clone())])?;
    Ok(results.pop().unwrap_or_default())
}

/// Sends requests one after the other to one server, and returns their results.
pub(super) fn all(env: Env, requests: &[(&str, Value)]) -> Result<Vec<Value>, Failure> {
    let methods = rpc::router(App::new(env, REGISTRY)).into_methods();
    let runtime = super::runtime()?;
    let ask = |(method, params): &(&str, Value)| {
        let request =
            serde_json::json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let input = format!("{request}\n").into_bytes();
        let mut output = Vec::new();
        let options = transport::Options::default();
        runtime.block_on(transport::serve(&input[..], &mut output, methods.clone(), options));
        output
    };
    let outputs: Vec<Vec<u8>> = requests.iter().map(ask).collect();
    runtime.shutdown_background();
    outputs.iter().map(|it| result(it)).collect()
}

fn result(output: &[u8]) -> Result<Value, Failure> {
    let mut reply: Value = serde_json::from_slice(output)
        .map_err(|error| Failure::Request(format!("no reply: {error}")))?;
    match reply.get("error") {
        Some(error) => Err(Failure::Refused(error.clone())),
        None => Ok(reply["result"].take()),
    }
}
