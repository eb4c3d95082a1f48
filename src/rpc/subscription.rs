//! Methods that go on telling: how a handler speaks to a subscriber, and what jsonrpsee needs for it.

use std::marker::PhantomData;
use std::sync::Arc;

use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{PendingSubscriptionSink, RpcModule, SubscriptionMessage, SubscriptionSink};
use serde::Serialize;

use super::App;
use super::counters::Timed;
use super::router::{Call, MethodCard, listed, parse};
use crate::protocol::Subscription;
use crate::protocol::error::{Code, RpcError};

/// A client that wants to subscribe, and has no answer yet.
pub(super) struct Client<E> {
    sink: PendingSubscriptionSink,
    timed: Timed,
    /// The errors of ours that it may be answered with.
    errors: &'static [Code],
    event: PhantomData<fn(E)>,
}

/// A client that listens.
pub(super) struct Listener<E> {
    sink: SubscriptionSink,
    event: PhantomData<fn(E)>,
}

/// Nobody listens any more.
#[derive(Debug)]
pub(super) struct Gone;

impl<E: Serialize> Client<E> {
    /// Answers with the id of the subscription; nothing where the client is gone already.
    pub(super) async fn accept(self) -> Option<Listener<E>> {
        let sink = self.sink.accept().await.ok()?;
        self.timed.answered(false);
        Some(Listener { sink, event: PhantomData })
    }

    /// Answers with an error: there will be no subscription.
    pub(super) async fn refuse(self, error: RpcError) {
        let error = listed(self.errors, error);
        self.reject(error).await;
    }

    async fn reject(self, error: ErrorObjectOwned) {
        self.sink.reject(error).await;
        self.timed.answered(true);
    }
}

impl<E: Serialize> Listener<E> {
    /// Sends one event, waiting while the client is slow to read.
    pub(super) async fn tell(&self, event: &E) -> Result<(), Gone> {
        self.tell_of(self.sink.method_name(), event).await
    }

    /// Sends an event of another name to the same subscriber.
    pub(super) async fn tell_of(&self, name: &str, event: &impl Serialize) -> Result<(), Gone> {
        let message = SubscriptionMessage::new(name, self.sink.subscription_id(), event);
        let message = message.map_err(|_| Gone)?;
        self.sink.send(message).await.map_err(|_| Gone)
    }

    /// Returns when the client listens no more.
    pub(super) async fn left(&self) {
        self.sink.closed().await;
    }
}

/// Puts a subscription and its end into a module.
pub(super) fn register<S, F, Fut>(
    module: &mut RpcModule<App>,
    table: &Arc<[MethodCard]>,
    handler: F,
) where
    S: Subscription,
    F: Fn(Call, S::Params, Client<S::Event>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let table = table.clone();
    let answer =
        move |params: Params<'static>, sink, app: Arc<App>, extensions: jsonrpsee::Extensions| {
            let call = Call::new(app, &table, &extensions);
            let timed = Timed::begin(call.app.clone(), S::NAME);
            let client = Client { sink, timed, errors: S::ERRORS, event: PhantomData };
            let handler = handler.clone();
            async move {
                match parse::<S::Params>(&params) {
                    Ok(params) => handler(call, params, client).await,
                    Err(error) => client.reject(error).await,
                }
            }
        };
    let registered = module.register_subscription(S::NAME, S::NOTIFICATION, S::UNSUBSCRIBE, answer);
    registered.expect("method names are unique");
}
