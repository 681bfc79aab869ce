//! The public Botpress client drives every operation of the runtime API of the real binary.

use portico_tests::gateway::GatewaySpec;
use portico_tests::sim::core::{CoreAnswer, HttpCore};
use serde_json::json;

use crate::node;
use crate::scene::{BOT_TOKEN, Providers, bot, http_core};

#[tokio::test(flavor = "multi_thread")]
async fn the_public_client_gets_what_it_expects_from_every_operation() {
    let packages = node::folder(node::CLIENTS);
    let providers = Providers::start().await;
    let core = HttpCore::start(|_| CoreAnswer::done()).await.unwrap();
    let config = format!("{}{}", bot(&http_core(&core)), providers.installations());
    let (spec, _folder) = GatewaySpec::temporary(&config).unwrap();
    let gateway = spec.start().await.unwrap_or_else(|error| panic!("{error:#}"));
    let me = json!({
        "id": 7_000_000_001_i64, "is_bot": true, "first_name": "Portico Sim", "username": "portico_sim_bot",
        "can_join_groups": true, "can_read_all_group_messages": false, "supports_inline_queries": false,
    });
    let action = json!({
        "type": "telegram:callMethod", "input": {"method": "getMe", "parameters": {}}, "output": {"result": me},
    });
    let environment = [
        ("PORTICO_URL", gateway.spec.public()),
        ("PORTICO_TOKEN", BOT_TOKEN.to_owned()),
        ("PORTICO_BOT", "support".to_owned()),
        ("PORTICO_INTEGRATION", "telegram".to_owned()),
        ("PORTICO_ALIAS", "telegram".to_owned()),
        ("PORTICO_CHANNEL", "channel".to_owned()),
        ("PORTICO_IDENTITY", r#"{"chatId":"7"}"#.to_owned()),
        ("PORTICO_ACTION", action.to_string()),
    ];
    let said = node::run(&packages, "runtime.mjs", &environment, "").await;
    assert!(!said.trim().is_empty(), "{}", gateway.spec.log());
}
