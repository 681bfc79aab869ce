//! A visitor who was let in, and what their frames do. The same for every transport.

use std::sync::Arc;

use portico_contract::{ConversationId, MessageId, Millis, UserId};
use portico_live::{LiveError, PersonChange, Say, Session, Tell};
use portico_store::records::TagMap;
use serde_json::{Value, json};

use crate::channel::Channel;
use crate::compose::compose;
use crate::errors::{self, Refused};
use crate::follow::{self, Start};
use crate::frame::{
    AuthFrame, BadFrame, ClientFrame, Close, ConvFrame, ConvOp, EventFrame, NackCode, ReadFrame, SendFrame,
    ServerFrame, SyncFrame, TypingFrame, UserFrame,
};
use crate::greet;
use crate::shared::Api;

/// Longest name of an event.
const EVENT_NAME: usize = 64;
/// The event under which others travel.
const CUSTOM: &str = "custom";
/// Properties of a visitor.
const MOST_DATA: usize = 50;

/// A visitor at a channel.
pub(crate) struct Visit {
    pub(crate) api: Api,
    pub(crate) channel: Arc<Channel>,
    pub(crate) session: Session,
    /// The token proper. Never shown.
    token: String,
    pub(crate) user: UserId,
    /// Whether the client can show messages that grow.
    pub(crate) deltas: bool,
}

/// What a frame leads to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Answers, in order.
    pub(crate) frames: Vec<ServerFrame>,
    /// Conversations to show, from a place.
    pub(crate) follow: Vec<Start>,
    /// Conversations to show if they are not shown yet.
    pub(crate) also: Option<Start>,
    /// An item that the answer has told of already.
    pub(crate) said: Option<(ConversationId, u64)>,
    /// The visitor is somebody else now: what was shown ends.
    pub(crate) moved: bool,
    /// The session that ended with it.
    pub(crate) left: Option<String>,
    /// The connection ends, after the answers.
    pub(crate) close: Option<Refused>,
}

impl Outcome {
    fn of(frame: ServerFrame) -> Self {
        Self { frames: vec![frame], ..Self::default() }
    }

    fn close(close: Close) -> Self {
        Self { close: Some(Refused::new(close)), ..Self::default() }
    }
}

/// A step that ends with a refusal or goes on.
type Step<T> = Result<T, ServerFrame>;

impl Visit {
    pub(crate) fn new(
        api: Api,
        channel: Arc<Channel>,
        session: Session,
        token: String,
        user: UserId,
        deltas: bool,
    ) -> Self {
        Self { api, channel, session, token, user, deltas }
    }

    /// The visitor of a token; `None` when it is not good.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn of_token(
        api: &Api,
        channel: Arc<Channel>,
        token: &str,
    ) -> Result<Option<Self>, LiveError> {
        let session = api.live.sessions().check(&channel.at, token).await?;
        Ok(session.map(|session| {
            let user = session.user.clone();
            Self::new(api.clone(), channel, session, token.to_owned(), user, true)
        }))
    }

    /// The conversation that is open: the session's, or else the visitor's newest.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn active(&mut self) -> Result<Option<ConversationId>, LiveError> {
        if let Some(id) = self.session.conversation {
            if self.api.live.takes_part(&self.channel.at, id, &self.user).await? {
                return Ok(Some(id));
            }
            self.session.conversation = None;
        }
        let page = self.api.live.conversations_of(&self.channel.at, &self.user, None, 1).await?;
        self.session.conversation = page.items.first().map(|overview| overview.conversation.id);
        Ok(self.session.conversation)
    }

    /// Makes a conversation the open one.
    pub(crate) async fn activate(&mut self, conversation: ConversationId) -> Result<(), LiveError> {
        if self.session.conversation == Some(conversation) {
            return Ok(());
        }
        let sessions = self.api.live.sessions();
        sessions.set_conversation(&self.channel.at, &self.token, Some(conversation)).await?;
        self.session.conversation = Some(conversation);
        Ok(())
    }

    /// Ends the session.
    pub(crate) async fn log_out(&self) -> Result<(), LiveError> {
        self.api.live.sessions().revoke(&self.channel.at, &self.token).await
    }

    /// What a frame does.
    pub(crate) async fn answer(&mut self, frame: Result<ClientFrame, BadFrame>) -> Outcome {
        let frame = match frame {
            Ok(frame) => frame,
            Err(BadFrame::Nack { id }) => return Outcome::of(ServerFrame::nack(id, NackCode::Bad)),
            Err(BadFrame::Close) => return Outcome::close(Close::BadFrame),
            Err(BadFrame::Version) => return Outcome::close(Close::Version),
        };
        let answered = match frame {
            ClientFrame::Send(send) => self.send(send).await,
            ClientFrame::Event(event) => self.event(event).await,
            ClientFrame::User(user) => self.update(user).await,
            ClientFrame::Conv(conv) => self.conversation(conv).await,
            ClientFrame::Auth(auth) => return self.authenticate(auth).await,
            ClientFrame::Sync(sync) => return self.sync(sync).await,
            ClientFrame::Read(read) => return self.read(read).await,
            ClientFrame::Typing(typing) => return self.types(&typing).await,
            ClientFrame::Ping => return Outcome::of(ServerFrame::Pong),
            // A second hello on one connection means that the two sides disagree about where they are.
            ClientFrame::Hello(_) => return Outcome::close(Close::BadFrame),
            ClientFrame::Seen | ClientFrame::Unknown => return Outcome::default(),
        };
        answered.unwrap_or_else(Outcome::of)
    }

    /// The conversation that a frame names, or the open one, made if there is none.
    async fn place(&mut self, named: Option<&str>, id: &str) -> Step<(ConversationId, bool)> {
        if let Some(named) = named {
            let closed = |_| ServerFrame::nack(id.to_owned(), NackCode::Closed);
            return ConversationId::parse(named).map(|id| (id, false)).map_err(closed);
        }
        let failed = |error: LiveError| errors::nack(id.to_owned(), &error);
        if let Some(open) = self.active().await.map_err(failed)? {
            return Ok((open, false));
        }
        let made = self.open(id).await.map_err(failed)?;
        Ok((made, true))
    }

    /// A new conversation; the same frame gives the same one.
    async fn open(&mut self, client_id: &str) -> Result<ConversationId, LiveError> {
        let key = format!("{}:{client_id}", self.user);
        let opened = self.api.live.open(&self.channel.at, Some(&key), &self.user, TagMap::new()).await?;
        self.activate(opened.conversation.id).await?;
        Ok(opened.conversation.id)
    }

    async fn send(&mut self, frame: SendFrame) -> Step<Outcome> {
        let id = frame.id;
        self.channel.rates.message(&self.session.id).map_err(|wait| errors::slow_down(id.clone(), wait))?;
        let composed = compose(&self.api, &self.channel, frame.msg).await;
        let (kind, payload) = composed.map_err(|code| match code {
            NackCode::Rate => errors::slow_down(id.clone(), std::time::Duration::from_secs(1)),
            code => ServerFrame::nack(id.clone(), code),
        })?;
        let (conversation, made) = self.place(frame.conv.as_deref(), &id).await?;
        // What is answered may be gone meanwhile, or of a draft: the message counts without it.
        let reply_to = match frame.reply_to.as_deref().and_then(|id| MessageId::parse(id).ok()) {
            Some(answered) => match self.api.live.message(&self.channel.at, answered).await {
                Ok(Some(message)) if message.conversation == conversation => Some(answered),
                _ => None,
            },
            None => None,
        };
        let say = Say {
            conversation,
            user: self.user.clone(),
            client_id: Some(id.clone()),
            kind,
            payload,
            tags: TagMap::new(),
            reply_to,
        };
        let said = self.api.live.say(&self.channel.at, say).await;
        let said = said.map_err(|error| errors::nack(id.clone(), &error))?;
        // What the repeat of an old message is about may be another conversation than the open one.
        let conversation = said.message.conversation;
        let ack = ServerFrame::Ack {
            id,
            mid: Some(said.message.id.to_string()),
            conv: Some(conversation.to_string()),
            seq: Some(said.seq),
            ts: Some(said.message.created_at),
        };
        let after = if made { 0 } else { said.seq };
        let also = Start { conversation, after, last: said.seq, reset: false };
        Ok(Outcome { also: Some(also), said: Some((conversation, said.seq)), ..Outcome::of(ack) })
    }

    async fn event(&mut self, frame: EventFrame) -> Step<Outcome> {
        let id = frame.id;
        self.channel.rates.event(&self.session.id).map_err(|wait| errors::slow_down(id.clone(), wait))?;
        let is_name = frame.name.len() <= EVENT_NAME
            && frame
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'));
        if !is_name {
            return Err(ServerFrame::nack(id, NackCode::Bad));
        }
        let (conversation, made) = self.place(frame.conv.as_deref(), &id).await?;
        if frame.name == "feedback" {
            self.judge(conversation, &frame.data).await.map_err(|error| errors::nack(id.clone(), &error))?;
        }
        let declared = &self.channel.at.connector.manifest().events;
        let (name, data) = match declared.contains_key(&frame.name) && frame.name != CUSTOM {
            true => (frame.name, frame.data),
            false => (CUSTOM.to_owned(), json!({ "name": frame.name, "data": frame.data })),
        };
        // Subscribers expect an object.
        let data = if data.is_object() { data } else { json!({ "data": data }) };
        let tell = Tell {
            conversation,
            user: self.user.clone(),
            client_id: Some(id.clone()),
            name,
            data,
            shown: false,
        };
        let told = self.api.live.tell(&self.channel.at, tell).await;
        let told = told.map_err(|error| errors::nack(id.clone(), &error))?;
        let ack = ServerFrame::Ack {
            id,
            mid: None,
            conv: Some(conversation.to_string()),
            seq: told.seq,
            ts: Some(told.at),
        };
        let also = self.shown_from(conversation, made).await;
        Ok(Outcome { also, said: told.seq.map(|seq| (conversation, seq)), ..Outcome::of(ack) })
    }

    /// Where to begin with a conversation that is perhaps not shown yet.
    async fn shown_from(&self, conversation: ConversationId, made: bool) -> Option<Start> {
        if made {
            return Some(Start { conversation, after: 0, last: 0, reset: false });
        }
        // A failure costs nothing: the visitor's next sync begins it.
        follow::start(&self.api, &self.channel, conversation, None).await.ok()
    }

    /// Keeps a thumb with the message that it is about.
    async fn judge(&self, conversation: ConversationId, data: &Value) -> Result<(), LiveError> {
        let Some(id) = data.get("messageId").and_then(Value::as_str) else { return Ok(()) };
        let Ok(id) = MessageId::parse(id) else { return Ok(()) };
        let value = match data.get("value") {
            Some(Value::String(value)) if matches!(value.as_str(), "positive" | "negative") => value.clone(),
            _ => String::new(),
        };
        match self.api.live.message(&self.channel.at, id).await? {
            Some(message) if message.conversation == conversation => {}
            _ => return Ok(()),
        }
        let tags = TagMap::from([(self.channel.tag("feedback"), value)]);
        let edit = portico_live::MessageEdit { payload: None, tags };
        self.api.live.update_message(&self.channel.at, id, &self.user, edit).await.map(drop)
    }

    async fn update(&mut self, frame: UserFrame) -> Step<Outcome> {
        let (id, patch) = (frame.id, frame.data);
        self.channel.rates.event(&self.session.id).map_err(|wait| errors::slow_down(id.clone(), wait))?;
        let is_short = |text: &Option<String>, most: usize| {
            text.as_ref().is_none_or(|text| text.chars().count() <= most)
        };
        let is_well = is_short(&patch.name, 200)
            && is_short(&patch.email, 320)
            && is_short(&patch.phone, 50)
            && is_short(&patch.picture_url, 2000)
            && patch.picture_url.as_ref().is_none_or(|url| url.is_empty() || url.starts_with("https://"))
            && patch.data.len() <= MOST_DATA
            && patch.data.iter().all(|(name, value)| {
                (1..=100).contains(&name.chars().count()) && value.chars().count() <= 500
            });
        if !is_well {
            return Err(ServerFrame::nack(id, NackCode::Bad));
        }
        let mut change = PersonChange { data: patch.data, ..PersonChange::default() };
        // What a signed identity says wins.
        if self.session.subject.is_none() {
            change.name = patch.name;
            change.picture_url = patch.picture_url;
            change.tags.extend(patch.email.map(|email| (self.channel.tag("email"), email)));
        }
        change.tags.extend(patch.phone.map(|phone| (self.channel.tag("phone"), phone)));
        let changed = self.api.live.update_user(&self.channel.at, &self.user, change).await;
        changed.map_err(|error| errors::nack(id.clone(), &error))?;
        Ok(Outcome::of(ServerFrame::ack(id)))
    }

    async fn conversation(&mut self, frame: ConvFrame) -> Step<Outcome> {
        let id = frame.id;
        self.channel.rates.event(&self.session.id).map_err(|wait| errors::slow_down(id.clone(), wait))?;
        let failed = |error: LiveError| errors::nack(id.clone(), &error);
        let closed = || ServerFrame::nack(id.clone(), NackCode::Closed);
        let (conversation, made) = match (frame.op, frame.conv) {
            (ConvOp::New, _) => (self.open(&id).await.map_err(failed)?, true),
            (ConvOp::Open, named) => {
                let named = named.and_then(|named| ConversationId::parse(&named).ok()).ok_or_else(closed)?;
                if !self.api.live.takes_part(&self.channel.at, named, &self.user).await.map_err(failed)? {
                    return Err(closed());
                }
                self.activate(named).await.map_err(failed)?;
                (named, false)
            }
        };
        let also = self.shown_from(conversation, made).await;
        let ts: Millis = portico_turns::now();
        let conv = Some(conversation.to_string());
        Ok(Outcome { also, ..Outcome::of(ServerFrame::Ack { id, mid: None, conv, seq: None, ts: Some(ts) }) })
    }

    /// A signed identity on an open connection: another welcome, perhaps of another session.
    async fn authenticate(&mut self, frame: AuthFrame) -> Outcome {
        let id = frame.id;
        if let Err(wait) = self.channel.rates.event(&self.session.id) {
            return Outcome::of(errors::slow_down(id, wait));
        }
        let claims = match greet::claims(&self.api, &self.channel, Some(&frame.jwt)).await {
            Ok(Some(claims)) => claims,
            // The channel takes no identities, or this one proves nothing: the visitor stays who they are.
            Ok(None) | Err(Refused { close: Close::Token, .. }) => {
                return Outcome::of(ServerFrame::nack(id, NackCode::Auth));
            }
            Err(_) => return Outcome::of(errors::slow_down(id, std::time::Duration::from_secs(5))),
        };
        let known = Some((self.session.clone(), self.token.clone()));
        let entered = match greet::enter(&self.api, &self.channel, known, Some(claims), None).await {
            Ok(entered) => entered,
            Err(refused) => return Outcome { close: Some(refused), ..Outcome::default() },
        };
        let moved = entered.told.is_some();
        self.session = entered.session;
        self.token = entered.token;
        self.user = entered.user.id.clone();
        let mut follow = Vec::new();
        if moved {
            match self.active().await {
                Ok(Some(active)) => match follow::start(&self.api, &self.channel, active, None).await {
                    Ok(start) => follow.push(start),
                    Err(error) => return Outcome { close: Some(error.into()), ..Outcome::default() },
                },
                Ok(None) => {}
                Err(error) => return Outcome { close: Some(error.into()), ..Outcome::default() },
            }
        }
        let welcome = greet::welcome(&self.api, self, &entered.user, entered.told, &follow);
        let frames = vec![ServerFrame::ack(id), welcome];
        Outcome { frames, follow, moved, left: entered.left, ..Outcome::default() }
    }

    async fn sync(&mut self, frame: SyncFrame) -> Outcome {
        let mut outcome = Outcome::default();
        if self.channel.rates.event(&self.session.id).is_err() {
            // The visitor asks again.
            return outcome;
        }
        for (conversation, seen) in frame.cur {
            let Ok(id) = ConversationId::parse(&conversation) else { continue };
            let start = async {
                match self.api.live.takes_part(&self.channel.at, id, &self.user).await? {
                    true => follow::start(&self.api, &self.channel, id, Some(seen)).await.map(Some),
                    false => Ok(None),
                }
            };
            match start.await {
                Ok(Some(start)) => {
                    outcome.frames.extend(start.reset_frame());
                    outcome.follow.push(start);
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "a sync could not be answered"),
            }
        }
        outcome
    }

    async fn read(&mut self, frame: ReadFrame) -> Outcome {
        if let Ok(id) = ConversationId::parse(&frame.conv)
            && self.channel.rates.event(&self.session.id).is_ok()
            && let Err(error) = self.api.live.read(&self.channel.at, id, &self.user, frame.seq).await
        {
            // Read marks are best effort; the next one says more.
            tracing::debug!(%error, "a read mark was not kept");
        }
        Outcome::default()
    }

    async fn types(&mut self, frame: &TypingFrame) -> Outcome {
        if self.channel.typing
            && let Ok(id) = ConversationId::parse(&frame.conv)
            && self.channel.rates.event(&self.session.id).is_ok()
            && matches!(self.api.live.takes_part(&self.channel.at, id, &self.user).await, Ok(true))
        {
            self.api.live.typing(id, self.user.as_str(), frame.on);
        }
        Outcome::default()
    }
}
