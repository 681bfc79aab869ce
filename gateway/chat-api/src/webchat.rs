//! `/webchat-api/{installation}`: the webchat API, for `@botpress/webchat` and `@botpress/webchat-client`.
//!
//! The 4.x user interface uses one stream only: `initialize` makes whatever is missing (user, conversation), says
//! it in its first event, and goes on with what happens.

mod caller;
mod conversations;
mod download;
mod events;
mod feedback;
mod files;
mod initialize;
mod messages;
mod participants;
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
use crate::front::{At, Surface, front};
use crate::problems::unknown;

pub(crate) use files::sweep;

/// An answer, or why there is none.
pub(crate) type Answer = Result<Json<Value>, Problem>;

/// The routes.
pub(crate) fn router(api: &Api) -> Router {
    const GET: MethodFilter = MethodFilter::GET;
    const POST: MethodFilter = MethodFilter::POST;
    const PUT: MethodFilter = MethodFilter::PUT;
    const DELETE: MethodFilter = MethodFilter::DELETE;
    let participant = "/conversations/{id}/participants/{user}";
    let (feedback, select) = ("/messages/{id}/feedback", "/messages/{id}/select");
    Routes::new(api.metrics.clone(), api.limits.body, "/webchat-api/{installation}")
        .at(GET, "/initialize", "webchat:initialize", initialize::initialize)
        .at(POST, "/events", "webchat:createEvent", events::create)
        .at(GET, "/events/{id}", "webchat:getEvent", events::get)
        .at(POST, "/messages", "webchat:createMessage", messages::create)
        .at(GET, "/messages/{id}", "webchat:getMessage", messages::get)
        .at(PUT, "/messages/{id}", "webchat:updateMessage", messages::update)
        .at(DELETE, "/messages/{id}", "webchat:deleteMessage", messages::delete)
        .at(PUT, feedback, "webchat:addMessageFeedback", feedback::add)
        .at(DELETE, feedback, "webchat:removeMessageFeedback", feedback::remove)
        .at(PUT.or(POST), select, "webchat:selectMessage", feedback::select)
        .at(POST, "/conversations", "webchat:createConversation", conversations::create)
        .at(GET, "/conversations", "webchat:listConversations", conversations::list)
        .at(GET, "/conversations/{id}", "webchat:getConversation", conversations::get)
        .at(DELETE, "/conversations/{id}", "webchat:deleteConversation", conversations::delete)
        .at(GET, "/conversations/{id}/messages", "webchat:listConversationMessages", messages::list)
        .at(GET, "/conversations/{id}/listen", "webchat:listenConversation", initialize::listen)
        .at(GET, "/conversations/{id}/participants", "webchat:listParticipants", participants::list)
        .at(POST, "/conversations/{id}/participants", "webchat:addParticipant", participants::add)
        .at(GET, participant, "webchat:getParticipant", participants::get)
        .at(DELETE, participant, "webchat:removeParticipant", participants::remove)
        .at(POST, "/users", "webchat:createUser", users::create)
        .at(POST, "/users/key", "webchat:generateUserKey", users::key)
        .at(GET, "/users/me", "webchat:getUser", users::get)
        .at(PUT, "/users/me", "webchat:updateUser", users::update)
        .at(DELETE, "/users/me", "webchat:deleteUser", users::delete)
        .at(POST, "/files", "webchat:createFile", files::create)
        .at(PUT, "/files/{id}/{name}", "webchat:uploadFile", files::upload)
        .at(GET, "/files/{id}/{name}", "webchat:downloadFile", download::download)
        .at(POST, "/p", "webchat:sendPerfMetrics", beacon)
        .router
        .route("/webchat-api/{installation}", axum::routing::any(unknown))
        .route("/webchat-api/{installation}/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(unknown)
        .layer(from_fn_with_state((api.clone(), Surface::Webchat), front))
        .with_state(api.clone())
}

/// How long something took in a visitor's browser: nobody asks for it here, and the client wants an answer.
async fn beacon(_: At, crate::body::Json(_): crate::body::Json<serde::de::IgnoredAny>) -> Json<Value> {
    Json(json!({}))
}
