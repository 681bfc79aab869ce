//! One body of each provider, and its proof.
//!
//! Shapes: Slack Events API `event_callback` with a `message.im`; Telegram Bot API `Update` with a `message`;
//! WhatsApp Cloud API `messages` change; Bot Framework activity of type `message`.

use std::io::Write;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{MessageId, hex16};

/// Whose webhook it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Provider {
    Slack,
    Telegram,
    WhatsApp,
    /// A Bot Framework activity, for a peer that speaks nothing else.
    Activity,
}

/// Made-up secrets, known to server and load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secrets {
    pub(crate) slack: &'static str,
    pub(crate) telegram: &'static str,
    pub(crate) whatsapp: &'static str,
}

/// The bench's secrets; they protect nothing.
pub(crate) const SECRETS: Secrets = Secrets {
    slack: "0123456789abcdef0123456789abcdef",
    telegram: "bench-telegram-webhook-secret-0001",
    whatsapp: "fedcba9876543210fedcba9876543210",
};

/// Keyed once, cloned per request.
pub(super) struct Proofs {
    slack: Hmac<Sha256>,
    whatsapp: Hmac<Sha256>,
}

fn keyed(secret: &str) -> Hmac<Sha256> {
    match Hmac::new_from_slice(secret.as_bytes()) {
        Ok(keyed) => keyed,
        Err(_) => unreachable!("HMAC takes keys of any length"),
    }
}

impl Proofs {
    pub(super) fn new() -> Self {
        Self { slack: keyed(SECRETS.slack), whatsapp: keyed(SECRETS.whatsapp) }
    }

    /// Writes the headers that prove a body; a `forged` one proves nothing.
    pub(super) fn headers(
        &self,
        provider: Provider,
        body: &[u8],
        now_s: u64,
        forged: bool,
        out: &mut Vec<u8>,
    ) {
        let spoil = u8::from(forged);
        match provider {
            Provider::Slack => {
                let mut stamp = [0; 20];
                let stamp = decimal(now_s, &mut stamp);
                let mut mac = self.slack.clone();
                for piece in [b"v0:".as_slice(), stamp, b":", body] {
                    mac.update(piece);
                }
                out.extend_from_slice(b"x-slack-request-timestamp: ");
                out.extend_from_slice(stamp);
                out.extend_from_slice(b"\r\nx-slack-signature: v0=");
                signature(mac, spoil, out);
            }
            Provider::WhatsApp => {
                let mut mac = self.whatsapp.clone();
                mac.update(body);
                out.extend_from_slice(b"x-hub-signature-256: sha256=");
                signature(mac, spoil, out);
            }
            Provider::Telegram => {
                out.extend_from_slice(b"x-telegram-bot-api-secret-token: ");
                out.extend_from_slice(SECRETS.telegram.as_bytes());
                if forged {
                    out.extend_from_slice(b"x");
                }
                out.extend_from_slice(b"\r\n");
            }
            Provider::Activity => {}
        }
    }
}

fn signature(mac: Hmac<Sha256>, spoil: u8, out: &mut Vec<u8>) {
    let mut digest: [u8; 32] = mac.finalize().into_bytes().into();
    digest[0] ^= spoil;
    let mut digits = [0; 64];
    // The buffer is of the right size.
    let _fits = hex::encode_to_slice(digest, &mut digits);
    out.extend_from_slice(&digits);
    out.extend_from_slice(b"\r\n");
}

fn decimal(value: u64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut rest = buffer.as_mut_slice();
    // Twenty digits hold any number.
    let _fits = write!(rest, "{value}");
    let left = rest.len();
    buffer.get(..20 - left).unwrap_or_default()
}

/// Words to fill a text with; a few letters need escapes or more than one byte.
const FILLER: &str = "the order from last week has not come yet, could you look where the parcel is and tell me when \
    to expect it? Grüße aus Köln. My customer number is 4711 and the invoice says it left the house on monday; nobody \
    here has seen it since. ";

fn fill(out: &mut Vec<u8>, bytes: usize) {
    let mut left = bytes;
    while left >= FILLER.len() {
        out.extend_from_slice(FILLER.as_bytes());
        left -= FILLER.len();
    }
    let cut = (0..=left).rev().find(|at| FILLER.is_char_boundary(*at)).unwrap_or(0);
    out.extend_from_slice(FILLER.get(..cut).unwrap_or_default().as_bytes());
}

/// Writes one body of about `size` bytes.
pub(super) fn body(provider: Provider, id: MessageId, now_s: u64, size: usize, out: &mut Vec<u8>) {
    let (who, number) = (u64::from(id.conversation()), id.number());
    // Writing to memory can't fail.
    let _fits = match provider {
        Provider::Slack => slack(id, who, number, now_s, size, out),
        Provider::Telegram => telegram(id, who, number, now_s, size, out),
        Provider::WhatsApp => whatsapp(id, who, number, now_s, size, out),
        Provider::Activity => activity(id, who, number, size, out),
    };
}

fn text(id: MessageId, bytes: usize, out: &mut Vec<u8>) {
    id.mark(out);
    out.push(b' ');
    fill(out, bytes.saturating_sub(20));
}

fn slack(
    id: MessageId,
    who: u64,
    number: u64,
    now_s: u64,
    size: usize,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let micros = number % 1_000_000;
    write!(
        out,
        r#"{{"token":"legacy-token-of-no-use","team_id":"T0BENCH","context_team_id":"T0BENCH","context_enterprise_id":null,"api_app_id":"A0BENCH","event":{{"type":"message","user":"U0P{who:05}","ts":"{now_s}.{micros:06}","client_msg_id":"3f1d2c4e-0000-4000-8000-{number:012x}","text":""#
    )?;
    // The words stand twice, as Slack sends them.
    let each = size.saturating_sub(747) / 2;
    text(id, each, out);
    write!(
        out,
        r#"","team":"T0BENCH","blocks":[{{"type":"rich_text","block_id":"aB1","elements":[{{"type":"rich_text_section","elements":[{{"type":"text","text":""#
    )?;
    text(id, each, out);
    write!(
        out,
        r#""}}]}}]}}],"channel":"D0P{who:05}","event_ts":"{now_s}.{micros:06}","channel_type":"im"}},"type":"event_callback","event_id":"Ev"#
    )?;
    hex16(number, out);
    write!(
        out,
        r#"","event_time":{now_s},"authorizations":[{{"enterprise_id":null,"team_id":"T0BENCH","user_id":"U0BOT","is_bot":true,"is_enterprise_install":false}}],"is_ext_shared_channel":false,"event_context":"4-bench"}}"#
    )
}

fn telegram(
    id: MessageId,
    who: u64,
    number: u64,
    now_s: u64,
    size: usize,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let person = 5_300_000_000 + who;
    write!(
        out,
        r#"{{"update_id":{number},"message":{{"message_id":{number},"from":{{"id":{person},"is_bot":false,"first_name":"Ada","last_name":"Quill","username":"ada_{who}","language_code":"en"}},"chat":{{"id":{person},"first_name":"Ada","last_name":"Quill","username":"ada_{who}","type":"private"}},"date":{now_s},"text":""#
    )?;
    text(id, size.saturating_sub(305), out);
    write!(out, r#""}}}}"#)
}

fn whatsapp(
    id: MessageId,
    who: u64,
    number: u64,
    now_s: u64,
    size: usize,
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    write!(
        out,
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"900800700600500","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"493000000000","phone_number_id":"700100200300400"}},"contacts":[{{"profile":{{"name":"Zo\u00eb Example"}},"wa_id":"49151{who:08}"}}],"messages":[{{"from":"49151{who:08}","id":"wamid.HBgLNDkxNTEwMDAw"#
    )?;
    hex16(number, out);
    write!(out, r#"AA==","timestamp":"{now_s}","type":"text","text":{{"body":""#)?;
    text(id, size.saturating_sub(475), out);
    write!(out, r#""}}}}]}},"field":"messages"}}]}}]}}"#)
}

fn activity(id: MessageId, who: u64, number: u64, size: usize, out: &mut Vec<u8>) -> std::io::Result<()> {
    write!(
        out,
        r#"{{"type":"message","id":"{number:016x}","timestamp":"2026-01-31T08:00:00.000Z","channelId":"msteams","serviceUrl":"http://127.0.0.1:9/","from":{{"id":"29:{who:05}","name":"Ada Quill"}},"conversation":{{"id":"a:{who:05}","conversationType":"personal","tenantId":"bench"}},"recipient":{{"id":"28:bot","name":"Bot"}},"textFormat":"plain","locale":"en","text":""#
    )?;
    text(id, size.saturating_sub(330), out);
    write!(out, r#""}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_of_the_wanted_size_and_name_their_message() {
        for provider in [Provider::Slack, Provider::Telegram, Provider::WhatsApp, Provider::Activity] {
            for size in [1000, 16 * 1024] {
                let mut out = Vec::new();
                let id = MessageId::new(7, 123_456);
                body(provider, id, 1_780_000_000, size, &mut out);
                let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
                assert!(value.is_object());
                assert!(out.len().abs_diff(size) < 50, "{provider:?}: {} for {size}", out.len());
                assert_eq!(MessageId::find(&out), Some(id));
            }
        }
    }
}
