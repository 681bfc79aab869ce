//! The API's description, generated from the handlers' types and checked in as `openapi.json`.

use portico_serve::describe::{self, may_fail, text};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use crate::{
    actions, conversations, drafts, events, files, incoming, messages, participants, states, tag_values,
    users, workflows,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Portico runtime API",
        description = "What a bot, or an integration that runs elsewhere, calls. The shapes are those of the public \
            Botpress clients. A call with x-integration-id or x-integration-alias is an integration's: it sees its own \
            tags without prefix, and its messages come in; other calls are the bot's: its messages go out.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        messages::create, messages::list, messages::get_or_create, incoming::import, messages::get, messages::update,
        messages::delete, incoming::initialize,
        drafts::append, drafts::abort,
        users::create, users::list, users::get_or_create, users::get, users::update, users::delete,
        conversations::create, conversations::list, conversations::get_or_create, conversations::get,
        conversations::update, conversations::delete,
        participants::list, participants::add, participants::get, participants::remove,
        states::get, states::set, states::patch, states::get_or_set, states::set_expiry,
        events::create, events::list, events::get, events::cancel,
        actions::call, actions::configure,
        workflows::create, workflows::list, workflows::get_or_create, workflows::get, workflows::update,
        workflows::delete,
        tag_values::list, tag_values::analytics, tag_values::observation,
        files::upsert, files::list, files::get, files::update, files::delete,
    ),
    components(schemas(describe::Error)),
    modifiers(&Common),
)]
struct Description;

/// What all operations share: tokens, and the one error body.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A bot's token")).build();
        components.add_security_scheme("token", SecurityScheme::Http(bearer));
        for (name, header, text) in [
            ("bot", "x-bot-id", "Which bot; needed where the token serves several"),
            ("integration", "x-integration-id", "An installation of the bot: the call is the integration's"),
        ] {
            let key = ApiKey::Header(ApiKeyValue::with_description(header, text));
            components.add_security_scheme(name, SecurityScheme::ApiKey(key));
        }
        let needs = |names: &[&str]| {
            let none = Vec::<String>::new;
            let mut need = utoipa::openapi::security::SecurityRequirement::default();
            for name in names {
                need = need.add(*name, none());
            }
            need
        };
        openapi.security =
            Some(vec![needs(&["token"]), needs(&["token", "bot"]), needs(&["token", "bot", "integration"])]);
        may_fail(openapi);
    }
}

/// The description as JSON text, as it is checked in.
pub fn openapi() -> String {
    text(&Description::openapi())
}
