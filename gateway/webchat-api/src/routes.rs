//! Which address is answered where.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{delete, get, post};
use http::Method;
use portico_problem::{Kind, Problem};
use tokio_util::sync::CancellationToken;

use crate::shared::Api;
use crate::{
    assets, config, conversations, cors, downloads, page, poll, posted, socket, stream, transcript, uploads,
};

/// How often quotas that are whole again are forgotten.
const TIDY: Duration = Duration::from_secs(60);

async fn no_such_method(method: Method) -> Problem {
    Problem::new(Kind::MethodNotFound, format!("{method} is not answered here"))
}

async fn nothing_here() -> Problem {
    Problem::new(Kind::ResourceNotFound, "there is nothing at this address")
}

pub(crate) fn router(api: Api) -> Router {
    let calls = Router::new()
        .route("/channels/{channel}/config", get(config::get))
        .route("/stream", post(stream::post))
        .route("/poll", post(poll::post))
        .route("/frames", post(posted::post))
        .route("/conversations", get(conversations::list).post(conversations::create))
        .route("/conversations/{id}", delete(conversations::delete))
        .route("/conversations/{id}/messages", get(conversations::messages))
        .route("/conversations/{id}/transcript", get(transcript::get))
        .route("/files", post(uploads::post))
        .route("/session/logout", post(conversations::log_out))
        .method_not_allowed_fallback(no_such_method)
        // Handlers read their bodies under caps of their own.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(api.clone(), cors::layer));
    let rest = Router::new()
        .route("/webchat/v1/ws", get(socket::get))
        .route("/webchat/v1/embed.js", get(assets::embed))
        .route("/webchat/v1/chat/{channel}", get(page::get))
        .route("/webchat/v1/files/{channel}/{blob}", get(downloads::get))
        .route("/webchat/assets/{*path}", get(assets::get))
        .route("/webchat/{*rest}", axum::routing::any(nothing_here))
        .method_not_allowed_fallback(no_such_method);
    tidy(&api, api.leaving.clone());
    rest.nest("/webchat/v1", calls).with_state(api)
}

/// Forgets quotas that are whole again, for as long as the gateway runs.
fn tidy(api: &Api, leaving: CancellationToken) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    let api = api.clone();
    runtime.spawn(async move {
        let mut every = tokio::time::interval(TIDY);
        loop {
            tokio::select! {
                () = leaving.cancelled() => return,
                _ = every.tick() => api.all_channels().iter().for_each(|channel| channel.rates.tidy()),
            }
        }
    });
}
