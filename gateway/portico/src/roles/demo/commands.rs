//! A ready command for each connector: it makes a new message, signs it as the provider would, and sends it.

use super::Secrets;

/// Name and command of each connector.
pub(super) fn all(base: &str, secrets: &Secrets) -> [(&'static str, String); 4] {
    let Secrets { slack, telegram, whatsapp, webhook } = secrets;
    let hmac = |secret: &str| format!("openssl dgst -sha256 -hmac {secret} | sed 's/^.* //'");
    [
        (
            "slack",
            format!(
                r#"t=$(date +%s); n=$(date +%N | cut -c1-6); b='{{"type":"event_callback","team_id":"T1","api_app_id":"A1","event_id":"Ev'$t$n'","event_time":'$t',"event":{{"type":"message","channel":"D1","channel_type":"im","user":"U1","text":"hello from Slack","ts":"'$t.$n'"}}}}'; s=$(printf 'v0:%s:%s' "$t" "$b" | {}); curl -sS -w '%{{http_code}}\n' {base}/webhooks/slack -H 'content-type: application/json' -H "x-slack-request-timestamp: $t" -H "x-slack-signature: v0=$s" -d "$b""#,
                hmac(slack)
            ),
        ),
        (
            "telegram",
            format!(
                r#"t=$(date +%s); n=$(date +%N | cut -c1-8); curl -sS -w '%{{http_code}}\n' {base}/webhooks/telegram -H 'content-type: application/json' -H 'x-telegram-bot-api-secret-token: {telegram}' -d '{{"update_id":'1$n',"message":{{"message_id":'1$n',"date":'$t',"chat":{{"id":42,"type":"private","first_name":"Ada"}},"from":{{"id":42,"is_bot":false,"first_name":"Ada"}},"text":"hello from Telegram"}}}}'"#
            ),
        ),
        (
            "whatsapp",
            format!(
                r#"t=$(date +%s); n=$(date +%N); b='{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"15550001111","phone_number_id":"15550001111"}},"contacts":[{{"profile":{{"name":"Ada"}},"wa_id":"15550002222"}}],"messages":[{{"from":"15550002222","id":"wamid.'$t$n'","timestamp":"'$t'","type":"text","text":{{"body":"hello from WhatsApp"}}}}]}}}}]}}]}}'; s=$(printf '%s' "$b" | {}); curl -sS -w '%{{http_code}}\n' {base}/webhooks/whatsapp -H 'content-type: application/json' -H "x-hub-signature-256: sha256=$s" -d "$b""#,
                hmac(whatsapp)
            ),
        ),
        (
            "webhook",
            format!(
                r#"curl -sS -w '%{{http_code}}\n' {base}/webhooks/webhook -H 'content-type: application/json' -H 'x-bp-secret: {webhook}' -d '{{"type":"message","id":"'$(date +%s%N)'","conversation":{{"id":"shop-1"}},"user":{{"id":"ada","name":"Ada"}},"message":{{"type":"text","payload":{{"text":"hello from anywhere"}}}}}}'"#
            ),
        ),
    ]
}
