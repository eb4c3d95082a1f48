//! Registers a method in jsonrpsee and in the schema with the same call.

use std::sync::Arc;

use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{Methods, RpcModule};
use schemars::{Schema, SchemaGenerator};
use serde_json::value::{RawValue, to_raw_value};

use super::App;
use super::counters::Timed;
use super::subscription::{self, Client};
use crate::protocol::error::{Code, OUR_CODES, RpcError};
use crate::protocol::reading;
use crate::protocol::watch::{SubscriptionId, UnwatchParams};
use crate::protocol::{Method, Notification, Subscription};
use crate::transport::{Cancellation, Progress, Reply, Turn};

/// One request as its handler sees it.
#[derive(Clone)]
pub struct Call {
    pub app: Arc<App>,
    /// The names and schemas of every method.
    pub table: Arc<[MethodCard]>,
    /// How to tell the client how far the request is; nothing outside a connection.
    pub progress: Option<Progress>,
    /// Whether the client has cancelled the request.
    pub cancellation: Cancellation,
    /// Its turn to be at work.
    pub turn: Turn,
}

impl Call {
    pub(super) fn new(
        app: Arc<App>,
        table: &Arc<[MethodCard]>,
        extensions: &jsonrpsee::Extensions,
    ) -> Self {
        Self {
            app,
            table: table.clone(),
            progress: extensions.get().cloned(),
            cancellation: extensions.get().cloned().unwrap_or_default(),
            turn: extensions.get().cloned().unwrap_or_default(),
        }
    }

    /// Tells a client that asked for it how far the request is: `value` is a `WorkDoneProgress` of LSP.
    pub(super) async fn report(&self, value: serde_json::Value) {
        if let Some(progress) = &self.progress {
            progress.report(&value).await;
        }
    }
}

/// What the schema says of one method.
#[derive(Clone, Copy)]
pub struct MethodCard {
    pub name: &'static str,
    pub summary: &'static str,
    pub params: fn(&mut SchemaGenerator) -> Schema,
    pub result: fn(&mut SchemaGenerator) -> Schema,
    /// The errors of ours that it can be answered with.
    pub errors: &'static [Code],
    /// What follows, where the method subscribes to something.
    pub notification: Option<Notification>,
    /// What else may follow.
    pub other_notifications: &'static [Notification],
}

/// The methods under construction.
pub struct Router {
    app: Arc<App>,
    cards: Vec<MethodCard>,
    register: Vec<Register>,
}

/// Puts one method into a module, once the table of all of them is complete.
type Register = Box<dyn FnOnce(&mut RpcModule<App>, &Arc<[MethodCard]>)>;

impl Router {
    pub fn new(app: App) -> Self {
        Self { app: Arc::new(app), cards: Vec::new(), register: Vec::new() }
    }

    /// Adds a method: its type says the wire, `handler` does the work.
    #[must_use]
    pub fn method<M, F, Fut>(mut self, handler: F) -> Self
    where
        M: Method,
        F: Fn(Call, M::Params) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = Result<M::Result, RpcError>> + Send + 'static,
    {
        self.cards.push(MethodCard {
            name: M::NAME,
            summary: M::SUMMARY,
            params: SchemaGenerator::subschema_for::<M::Params>,
            result: SchemaGenerator::subschema_for::<M::Result>,
            errors: M::ERRORS,
            notification: None,
            other_notifications: &[],
        });
        self.register.push(Box::new(|module, table| {
            let table = table.clone();
            let answer =
                move |params: Params<'static>, app: Arc<App>, extensions: jsonrpsee::Extensions| {
                    let timed = Timed::begin(app.clone(), M::NAME);
                    let call = Call::new(app, &table, &extensions);
                    let reply = extensions.get::<Reply>().cloned();
                    let handler = handler.clone();
                    let answer = async move {
                        let answered = handler(call, parse::<M::Params>(&params)?).await;
                        let result = answered.map_err(|error| listed(M::ERRORS, error))?;
                        written::<M>(result, reply.as_ref()).map_err(|error| {
                            ErrorObjectOwned::from(RpcError::Internal(error.to_string()))
                        })
                    };
                    async move {
                        let answer = answer.await;
                        timed.answered(answer.is_err());
                        answer
                    }
                };
            let registered = module.register_async_method(M::NAME, answer);
            registered.expect("method names are unique");
        }));
        self
    }

    /// Adds a subscription and the method that ends it.
    #[must_use]
    pub(super) fn subscription<S, F, Fut>(mut self, handler: F) -> Self
    where
        S: Subscription,
        F: Fn(Call, S::Params, Client<S::Event>) -> Fut + Clone + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.cards.push(MethodCard {
            name: S::NAME,
            summary: S::SUMMARY,
            params: SchemaGenerator::subschema_for::<S::Params>,
            result: SchemaGenerator::subschema_for::<SubscriptionId>,
            errors: S::ERRORS,
            notification: Some(Notification::of::<S::Event>(S::NOTIFICATION)),
            other_notifications: S::OTHERS,
        });
        self.cards.push(MethodCard {
            name: S::UNSUBSCRIBE,
            summary: "Ends a subscription; returns whether there was one.",
            params: SchemaGenerator::subschema_for::<UnwatchParams>,
            result: SchemaGenerator::subschema_for::<bool>,
            errors: &[],
            notification: None,
            other_notifications: &[],
        });
        self.register.push(Box::new(|module, table| {
            subscription::register::<S, F, Fut>(module, table, handler);
        }));
        self
    }

    /// The names and schemas of every method, in the order of the table.
    pub fn cards(&self) -> &[MethodCard] {
        &self.cards
    }

    /// The methods, ready to be called by name.
    pub fn into_methods(self) -> Methods {
        let table: Arc<[MethodCard]> = self.cards.into();
        let mut module = RpcModule::from_arc(self.app);
        for register in self.register {
            register(&mut module, &table);
        }
        module.into()
    }
}

/// The error as the wire has it. What a method does not list, no client expects of it.
pub(super) fn listed(errors: &[Code], error: RpcError) -> ErrorObjectOwned {
    let code = error.code().code;
    let is_ours = OUR_CODES.iter().any(|it| it.code == code);
    debug_assert!(!is_ours || errors.iter().any(|it| it.code == code), "not listed: {error}");
    error.into()
}

/// The result as JSON; where there is a reply to write, it is written there, and nothing is left for jsonrpsee to copy.
fn written<M: Method>(
    result: M::Result,
    reply: Option<&Reply>,
) -> serde_json::Result<Box<RawValue>> {
    let Some(reply) = reply else { return to_raw_value(&result) };
    reply.write(|out| M::write(result, out))?;
    Ok(RawValue::NULL.to_owned())
}

/// Reads parameters, and names the member that is wrong.
pub(super) fn parse<T: serde::de::DeserializeOwned>(
    params: &Params<'_>,
) -> Result<T, ErrorObjectOwned> {
    // The connection hands over an object, or what is none.
    let text = params.as_str().unwrap_or("{}");
    if text.starts_with('[') {
        let why = "positional parameters are not supported, give an object";
        return Err(RpcError::invalid("", why).into());
    }
    reading::read(text).map_err(|fault| RpcError::invalid(&fault.path, fault.to_string()).into())
}
