//! Every operation with its method and path. `openapi` lists the same; a test compares them.

use axum::Router;
use axum::routing::MethodFilter;
use portico_problem::{Kind, Problem};

use crate::{
    Api, actions, conversations, drafts, events, files, incoming, media, messages, participants, states,
    tag_values, transfer, users, workflows,
};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const PATCH: MethodFilter = MethodFilter::PATCH;
const DELETE: MethodFilter = MethodFilter::DELETE;

type Routes = portico_serve::observe::Routes<Api>;

/// The routes. The path is matched as it came, and its segments are decoded one by one.
pub(crate) fn router(api: Api) -> Router {
    let routes = Routes::new(api.metrics.clone(), api.limits.body, "");
    let router = runtime(more(routes)).router;
    router
        .route("/v1", axum::routing::any(unknown))
        .route("/v1/{*rest}", axum::routing::any(unknown))
        .method_not_allowed_fallback(unknown)
        .with_state(api)
}

/// What no operation answers to.
async fn unknown() -> Problem {
    Problem::new(Kind::MethodNotFound, "there is no such operation; see openapi.json")
}

/// Users, conversations, messages and states.
fn runtime(routes: Routes) -> Routes {
    let participant = "/v1/chat/conversations/{id}/participants/{userId}";
    routes
        .at(POST, "/v1/chat/messages", "createMessage", messages::create)
        .at(GET, "/v1/chat/messages", "listMessages", messages::list)
        .at(POST, "/v1/chat/messages/get-or-create", "getOrCreateMessage", messages::get_or_create)
        .at(POST, "/v1/chat/messages/import-messages", "importMessages", incoming::import)
        .at(GET, "/v1/chat/messages/{id}", "getMessage", messages::get)
        .at(PUT, "/v1/chat/messages/{id}", "updateMessage", messages::update)
        .at(DELETE, "/v1/chat/messages/{id}", "deleteMessage", messages::delete)
        .at(POST, "/v1/chat/initialize-incoming-message", "initializeIncomingMessage", incoming::initialize)
        .at(PUT, "/v1/chat/drafts/{draftId}", "appendDraft", drafts::append)
        .at(DELETE, "/v1/chat/drafts/{draftId}", "abortDraft", drafts::abort)
        .at(POST, "/v1/chat/users", "createUser", users::create)
        .at(GET, "/v1/chat/users", "listUsers", users::list)
        .at(POST, "/v1/chat/users/get-or-create", "getOrCreateUser", users::get_or_create)
        .at(GET, "/v1/chat/users/{id}", "getUser", users::get)
        .at(PUT, "/v1/chat/users/{id}", "updateUser", users::update)
        .at(DELETE, "/v1/chat/users/{id}", "deleteUser", users::delete)
        .at(POST, "/v1/chat/conversations", "createConversation", conversations::create)
        .at(GET, "/v1/chat/conversations", "listConversations", conversations::list)
        .at(
            POST,
            "/v1/chat/conversations/get-or-create",
            "getOrCreateConversation",
            conversations::get_or_create,
        )
        .at(GET, "/v1/chat/conversations/{id}", "getConversation", conversations::get)
        .at(PUT, "/v1/chat/conversations/{id}", "updateConversation", conversations::update)
        .at(DELETE, "/v1/chat/conversations/{id}", "deleteConversation", conversations::delete)
        .at(GET, "/v1/chat/conversations/{id}/participants", "listParticipants", participants::list)
        .at(POST, "/v1/chat/conversations/{id}/participants", "addParticipant", participants::add)
        .at(GET, participant, "getParticipant", participants::get)
        .at(DELETE, participant, "removeParticipant", participants::remove)
        .at(GET, "/v1/chat/states/{type}/{id}/{name}", "getState", states::get)
        .at(POST, "/v1/chat/states/{type}/{id}/{name}", "setState", states::set)
        .at(PATCH, "/v1/chat/states/{type}/{id}/{name}", "patchState", states::patch)
        .at(POST, "/v1/chat/states/{type}/{id}/{name}/get-or-set", "getOrSetState", states::get_or_set)
        .at(POST, "/v1/chat/states/{type}/{id}/{name}/expiry", "setStateExpiry", states::set_expiry)
}

/// Events, actions, workflows, tags, files and media.
fn more(routes: Routes) -> Routes {
    routes
        .at(POST, "/v1/chat/events", "createEvent", events::create)
        .at(GET, "/v1/chat/events", "listEvents", events::list)
        .at(GET, "/v1/chat/events/{id}", "getEvent", events::get)
        .at(DELETE, "/v1/chat/events/scheduled/{id}", "cancelScheduledEvent", events::cancel)
        .at(POST, "/v1/chat/actions", "callAction", actions::call)
        .at(POST, "/v1/chat/integrations/configure", "configureIntegration", actions::configure)
        .at(POST, "/v1/chat/workflows", "createWorkflow", workflows::create)
        .at(GET, "/v1/chat/workflows", "listWorkflows", workflows::list)
        .at(POST, "/v1/chat/workflows/get-or-create", "getOrCreateWorkflow", workflows::get_or_create)
        .at(GET, "/v1/chat/workflows/{id}", "getWorkflow", workflows::get)
        .at(PUT, "/v1/chat/workflows/{id}", "updateWorkflow", workflows::update)
        .at(DELETE, "/v1/chat/workflows/{id}", "deleteWorkflow", workflows::delete)
        .at(GET, "/v1/chat/tags/{key}/values", "listTagValues", tag_values::list)
        .at(POST, "/v1/chat/analytics", "trackAnalytics", tag_values::analytics)
        .at(POST, "/v1/chat/observations", "captureObservation", tag_values::observation)
        .at(PUT, "/v1/files", "upsertFile", files::upsert)
        .at(GET, "/v1/files", "listFiles", files::list)
        .at(GET, "/v1/files/{id}", "getFile", files::get)
        .at(PUT, "/v1/files/{id}", "updateFileMetadata", files::update)
        .at(DELETE, "/v1/files/{id}", "deleteFile", files::delete)
        .at(PUT, "/files/upload/{bot}/{id}", "uploadFile", transfer::upload)
        .at(GET, "/files/{bot}/{id}", "downloadFile", transfer::download)
        .at(GET, "/media/{installation}/{token}", "media", media::get)
}
