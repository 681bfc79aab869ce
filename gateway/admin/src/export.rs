//! Everything of a bot as JSON lines: each conversation, followed by its messages, oldest first.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use portico_contract::ConversationId;
use portico_problem::{Kind, Problem};
use portico_store::records::{Conversation, Records, View, conversation_json, message_json};
use portico_store::{Key, StoreError};
use serde_json::json;

use crate::{Admin, page};

/// Where an export stands.
enum Place {
    Conversations { cursor: Option<Key>, page: Vec<Conversation>, last: bool },
    Messages { of: ConversationId, cursor: Option<Key>, then: Box<Place> },
    End,
}

/// `GET /bots/{bot}/export`
pub(crate) async fn export(State(admin): State<Admin>, Path(bot): Path<String>) -> Result<Response, Problem> {
    let bot = page::bot_id(&bot)?;
    if !admin.operations.bots().contains(&bot) {
        return Err(Problem::new(Kind::ResourceNotFound, "there is no such bot"));
    }
    let records = Records::of(admin.store.clone(), bot);
    let start = Place::Conversations { cursor: None, page: Vec::new(), last: false };
    let lines = futures_util::stream::try_unfold((records, start), async |(records, place)| {
        let (lines, place) = step(&records, place).await?;
        Ok::<_, StoreError>(lines.map(|lines| (lines, (records, place))))
    });
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

/// The next lines; `None` at the end.
async fn step(records: &Records, place: Place) -> Result<(Option<Bytes>, Place), StoreError> {
    match place {
        Place::End => Ok((None, Place::End)),
        Place::Conversations { cursor, mut page, last } => {
            if let Some(conversation) = page.pop() {
                let line = line(&json!({ "conversation": conversation_json(&conversation, View::Bot) }));
                let then = Box::new(Place::Conversations { cursor, page, last });
                return Ok((Some(line), Place::Messages { of: conversation.id, cursor: None, then }));
            }
            if last {
                return Ok((None, Place::End));
            }
            let found = records.conversations(cursor, 100).await?;
            let last = found.next.is_none();
            let mut page: Vec<Conversation> = found.items.into_iter().map(|row| row.value).collect();
            page.reverse();
            Ok((Some(Bytes::new()), Place::Conversations { cursor: found.next, page, last }))
        }
        Place::Messages { of, cursor, then } => {
            let found = records.messages_oldest_first(of, cursor, 200).await?;
            let mut lines = Vec::new();
            for row in &found.items {
                lines.extend_from_slice(&line(&json!({ "message": message_json(&row.value, View::Bot) })));
            }
            let place = match found.next {
                Some(next) => Place::Messages { of, cursor: Some(next), then },
                None => *then,
            };
            Ok((Some(lines.into()), place))
        }
    }
}

fn line(value: &serde_json::Value) -> Bytes {
    let mut line = value.to_string();
    line.push('\n');
    line.into()
}
