//! Cards and carousels.

use portico_contract::{ActionKind, Card, CardAction, Fault, Media};
use portico_kit::split::Measure;
use serde_json::{Value, json};

use super::choices::{BUTTON_ID, BUTTON_TITLE, BUTTONS, label};
use super::media::MediaKind;
use super::{Draft, NOTHING, Renderer, Slot};

/// Most cards side by side.
const CARDS: usize = 10;
/// Longest text on a card of a carousel, and its most line breaks.
const CARD_BODY: usize = 160;
const CARD_BREAKS: usize = 2;

/// Neighbouring buttons that fit one message.
enum Group<'c> {
    /// Opens an address: a message of its own.
    Link(&'c CardAction),
    /// Replies, at most three.
    Replies(Vec<&'c CardAction>),
}

fn groups(actions: &[CardAction]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for action in actions {
        match (action.action, groups.last_mut()) {
            (ActionKind::Url, _) => groups.push(Group::Link(action)),
            (_, Some(Group::Replies(replies))) if replies.len() < BUTTONS => replies.push(action),
            _ => groups.push(Group::Replies(vec![action])),
        }
    }
    groups
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text.trim()).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

impl Renderer<'_> {
    /// One card. Without buttons: picture with the title as caption, then the subtitle. With buttons: a message
    /// per group of buttons, of which only the first shows the card.
    pub(super) fn card(&mut self, card: &Card, place: &str) -> Result<(), Fault> {
        if card.actions.is_empty() {
            match &card.image_url {
                Some(url) => {
                    let media = Media { title: Some(card.title.clone()), ..Media::at(url.clone()) };
                    self.media(MediaKind::Image, &media, &format!("{place}/imageUrl"))?;
                }
                None => self.text(&card.title),
            }
            if let Some(subtitle) = &card.subtitle {
                self.text(subtitle);
            }
            return Ok(());
        }
        let words = self.card_words(card);
        for (index, group) in groups(&card.actions).into_iter().enumerate() {
            let (body, header) = if index == 0 {
                let body = self.body(&words);
                let header = match &card.image_url {
                    Some(url) => Some(self.header(url, &format!("{place}/imageUrl"))?),
                    None => None,
                };
                (body, header)
            } else {
                (NOTHING.to_owned(), None)
            };
            self.group(group, body, header);
        }
        Ok(())
    }

    fn group(&mut self, group: Group<'_>, body: String, header: Option<(Value, Option<Slot>)>) {
        let mut interactive = match group {
            Group::Link(action) if is_web_address(&action.value) => json!({
                "type": "cta_url",
                "body": { "text": body },
                "action": { "name": "cta_url", "parameters": link(action) },
            }),
            Group::Link(action) => {
                // mailto:, tel: and the like can't be a button, but a person can still press them in a text.
                if let Some((header, slot)) = header {
                    let uploads =
                        slot.map(|slot| Slot { pointer: "/image".into(), ..slot }).into_iter().collect();
                    self.drafts.push(Draft { body: header, uploads });
                }
                let line = format!("{}: {}", action.label, action.value);
                let text = if body == NOTHING { line } else { format!("{body}\n\n{line}") };
                return self.text(&text);
            }
            Group::Replies(replies) => {
                let buttons =
                    self.buttons(replies.into_iter().map(|action| (&*action.label, &*action.value)));
                json!({ "type": "button", "body": { "text": body }, "action": { "buttons": buttons } })
            }
        };
        let mut uploads = Vec::new();
        if let (Some((header, slot)), Some(fields)) = (header, interactive.as_object_mut()) {
            fields.insert("header".into(), header);
            uploads.extend(slot);
        }
        self.drafts
            .push(Draft { body: json!({ "type": "interactive", "interactive": interactive }), uploads });
    }

    /// `*title*` and the subtitle below it.
    fn card_words(&self, card: &Card) -> String {
        let title = self.words(card.title.trim());
        // Bold ends at a line's end, and a star inside would end it early.
        let title =
            if title.contains(['\n', '*']) || title.is_empty() { title } else { format!("*{title}*") };
        match card.subtitle.as_deref().map(str::trim).filter(|subtitle| !subtitle.is_empty()) {
            Some(subtitle) => format!("{title}\n{}", self.words(subtitle)),
            None => title,
        }
    }

    fn header(&self, url: &str, place: &str) -> Result<(Value, Option<Slot>), Fault> {
        let (image, slot) = self.source(MediaKind::Image, url, place)?;
        let pointer = "/interactive/header/image".to_owned();
        Ok((json!({ "type": "image", "image": image }), slot.map(|slot| Slot { pointer, ..slot })))
    }

    /// Cards side by side where the provider can show them so, else one after the other.
    pub(super) fn carousel(&mut self, items: &[Card], place: &str) -> Result<(), Fault> {
        if !self.fits_side_by_side(items) {
            for (index, card) in items.iter().enumerate() {
                self.card(card, &format!("{place}/items/{index}"))?;
            }
            return Ok(());
        }
        for (group, cards) in items.chunks(CARDS).enumerate() {
            self.ids.next_message();
            let mut uploads = Vec::new();
            let mut shown = Vec::new();
            for (index, card) in cards.iter().enumerate() {
                let place = format!("{place}/items/{}/imageUrl", group * CARDS + index);
                let (image, slot) =
                    self.source(MediaKind::Image, card.image_url.as_deref().unwrap_or_default(), &place)?;
                let pointer = format!("/interactive/action/cards/{index}/header/image");
                uploads.extend(slot.map(|slot| Slot { pointer, ..slot }));
                shown.push(self.side_by_side(index, card, image));
            }
            self.drafts.push(Draft {
                body: json!({
                    "type": "interactive",
                    "interactive": {
                        "type": "carousel",
                        "body": { "text": NOTHING },
                        "action": { "cards": shown }
                    }
                }),
                uploads,
            });
        }
        Ok(())
    }

    fn side_by_side(&mut self, index: usize, card: &Card, image: Value) -> Value {
        let header = json!({ "type": "image", "image": image });
        let body = json!({ "text": self.card_words(card) });
        match card.actions.first() {
            Some(action) if action.action == ActionKind::Url => json!({
                "card_index": index,
                "type": "cta_url",
                "header": header,
                "body": body,
                "action": { "name": "cta_url", "parameters": link(action) },
            }),
            _ => {
                let buttons: Vec<Value> = card
                    .actions
                    .iter()
                    .map(|action| {
                        let reply = json!({
                            "id": self.ids.id(&action.value, BUTTON_ID),
                            "title": label(&action.label, BUTTON_TITLE),
                        });
                        json!({ "type": "quick_reply", "quick_reply": reply })
                    })
                    .collect();
                json!({ "card_index": index, "header": header, "body": body, "action": { "buttons": buttons } })
            }
        }
    }

    /// Every card has a picture, a short text, and the same buttons: one address, or one or two replies with
    /// values of their own. A last group of one card could not be sent.
    fn fits_side_by_side(&self, items: &[Card]) -> bool {
        let Some(first) = items.first() else { return false };
        let shape = |card: &Card| {
            let links = card.actions.iter().filter(|action| action.action == ActionKind::Url).count();
            match (links, card.actions.len()) {
                (1, 1) => card.actions.iter().all(|action| is_web_address(&action.value)).then_some((1, 1)),
                (0, replies @ 1..=2) => Some((0, replies)),
                _ => None,
            }
        };
        let Some(wanted) = shape(first) else { return false };
        let mut values = std::collections::HashSet::new();
        items.len() >= 2
            && items.len() % CARDS != 1
            && items.iter().all(|card| {
                let words = self.card_words(card);
                card.image_url.as_deref().is_some_and(|url| !url.trim().is_empty())
                    && shape(card) == Some(wanted)
                    && Measure::Utf16.of(&words) <= CARD_BODY
                    && words.matches('\n').count() <= CARD_BREAKS
                    && (wanted.0 == 1 || card.actions.iter().all(|action| values.insert(action.value.trim())))
            })
    }
}

fn link(action: &CardAction) -> Value {
    json!({ "display_text": label(&action.label, BUTTON_TITLE), "url": action.value.trim() })
}
