//! This API's description, generated from the handlers' types and checked in as `openapi.json`.

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use portico_serve::describe::{self, may_fail, text};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{conversations, events, listen, messages, participants, users};

/// The description, made when it is first asked for.
static MADE: LazyLock<String> = LazyLock::new(openapi);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portico Chat API",
        description = "What an app or back end calls that talks with a bot. The shapes are those of the public client \
            @botpress/chat. Every call but createUser has the header x-user-key.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    // Beside the description: the address of the installation.
    servers((url = ".")),
    paths(
        users::create, users::get_or_create, users::get, users::update, users::delete,
        conversations::create, conversations::get_or_create, conversations::list, conversations::get,
        conversations::delete, messages::list, listen::listen,
        participants::list, participants::add, participants::get, participants::remove,
        messages::create, messages::get, messages::delete,
        events::create, events::get,
    ),
    components(schemas(describe::Error)),
    modifiers(&Common),
)]
struct Description;

/// What all operations share: the user key, and the one error body.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let text = "A user's key: as createUser answers it, or signed by the holder of the encryption key";
        let key = ApiKey::Header(ApiKeyValue::with_description("x-user-key", text));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("userKey", SecurityScheme::ApiKey(key));
        openapi.security = Some(vec![SecurityRequirement::new("userKey", Vec::<String>::new())]);
        may_fail(openapi);
    }
}

/// The Chat API's description as JSON text, as it is checked in.
pub fn openapi() -> String {
    text(&Description::openapi())
}

/// Gives the description to whoever asks.
pub(crate) async fn get() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=3600")], MADE.as_str())
}
