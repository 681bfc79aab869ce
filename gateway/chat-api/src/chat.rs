//! `/chat/{installation}`: the Chat API, for `@botpress/chat`.

mod caller;
mod conversations;
mod events;
mod ids;
mod listen;
mod messages;
mod openapi;
mod participants;
pub(crate) mod shapes;
mod signals;
mod users;
mod wire;

use axum::middleware::from_fn_with_state;
use axum::routing::MethodFilter;
use axum::{Json, Router};
use portico_problem::Problem;
use portico_serve::observe::Routes;
use serde_json::{Value, json};

use crate::Api;
use crate::front::{Surface, front};
use crate::problems::unknown;

pub use openapi::openapi;
pub use signals::ChatSignals;

/// An answer, or why there is none.
pub(crate) type Answer = Result<Json<Value>, Problem>;

/// The routes.
pub(crate) fn router(api: &Api) -> Router {
    const GET: MethodFilter = MethodFilter::GET;
    const POST: MethodFilter = MethodFilter::POST;
    const PUT: MethodFilter = MethodFilter::PUT;
    const DELETE: MethodFilter = MethodFilter::DELETE;
    let participant = "/conversations/{id}/participants/{user}";
    Routes::new(api.metrics.clone(), api.limits.body, "/chat/{installation}")
        .that_upgrade()
        .at(GET, "/hello", "chat:hello", hello)
        .at(GET, "/hello/", "chat:hello", hello)
        .at(GET, "/openapi.json", "chat:openapi", openapi::get)
        .at(POST, "/users", "chat:createUser", users::create)
        .at(POST, "/users/get-or-create", "chat:getOrCreateUser", users::get_or_create)
        .at(GET, "/users/me", "chat:getUser", users::get)
        .at(PUT, "/users/me", "chat:updateUser", users::update)
        .at(DELETE, "/users/me", "chat:deleteUser", users::delete)
        .at(POST, "/conversations", "chat:createConversation", conversations::create)
        .at(
            POST,
            "/conversations/get-or-create",
            "chat:getOrCreateConversation",
            conversations::get_or_create,
        )
        .at(GET, "/conversations", "chat:listConversations", conversations::list)
        .at(GET, "/conversations/{id}", "chat:getConversation", conversations::get)
        .at(DELETE, "/conversations/{id}", "chat:deleteConversation", conversations::delete)
        .at(GET, "/conversations/{id}/messages", "chat:listMessages", messages::list)
        .at(GET, "/conversations/{id}/listen", "chat:listenConversation", listen::listen)
        .at(GET, "/conversations/{id}/participants", "chat:listParticipants", participants::list)
        .at(POST, "/conversations/{id}/participants", "chat:addParticipant", participants::add)
        .at(GET, participant, "chat:getParticipant", participants::get)
        .at(DELETE, participant, "chat:removeParticipant", participants::remove)
        .at(POST, "/messages", "chat:createMessage", messages::create)
        .at(GET, "/messages/{id}", "chat:getMessage", messages::get)
        .at(DELETE, "/messages/{id}", "chat:deleteMessage", messages::delete)
        .at(POST, "/events", "chat:createEvent", events::create)
        .at(GET, "/events/{id}", "chat:getEvent", events::get)
        .at(GET, "/{*rest}", "chat:listenUnescaped", listen::listen_unescaped)
        .router
        .route("/chat/{installation}", axum::routing::any(unknown))
        .method_not_allowed_fallback(unknown)
        .layer(from_fn_with_state((api.clone(), Surface::Chat), front))
        .with_state(api.clone())
}

/// Says that there is a chat at this address.
async fn hello() -> Json<Value> {
    Json(json!({}))
}
