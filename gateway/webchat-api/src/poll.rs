//! The long poll: the last way, where a network gathers even event streams.
//!
//! The first body is a `hello`, answered at once. Then `{"t":"sync","cur":…}` with the token: answered when there is
//! something to tell, or with nothing after a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use bytes::Bytes;
use http::Response;
use portico_contract::ConversationId;
use portico_problem::Problem;
use portico_telemetry::metrics::Road;
use tokio::time::Instant;

use crate::caller::{Caller, page_of};
use crate::errors::{self, Refused};
use crate::feed::Feed;
use crate::follow::{self, Start};
use crate::frame::{self, BadFrame, ClientFrame, Close, Cursors, MAX_FRAME};
use crate::greet::greet;
use crate::posted::{answer, read};
use crate::shared::Api;
use crate::visit::Visit;

/// Most frames of one answer; what is left comes with the next.
const MOST: usize = 256;
/// How long what was missed may take to read.
const CATCH_UP: Duration = Duration::from_secs(5);
/// What comes right behind the first frame goes with it.
const LINGER: Duration = Duration::from_millis(20);

/// Answers a poll.
pub(crate) async fn post(State(api): State<Api>, request: Request) -> Result<Response<Body>, Problem> {
    let origin = page_of(&api, request.headers()).map(ToOwned::to_owned);
    let address = (api.address)(request.extensions());
    let (mut parts, body) = request.into_parts();
    let body = read(Request::from_parts(parts.clone(), body), MAX_FRAME).await?;
    let refused = |refused: Refused| {
        api.count_refused(&refused);
        refused.problem()
    };
    let said = std::str::from_utf8(&body).map_err(|_| BadFrame::Close).and_then(frame::read);
    match said {
        Ok(ClientFrame::Hello(hello)) => {
            let greeted = greet(&api, *hello, origin.as_deref(), address).await.map_err(refused)?;
            let missing = missing(&greeted.follow);
            let (first, follow) = (Some(&greeted.welcome), greeted.follow);
            let feed = Feed::new(&api, &greeted.visit, first, follow, address, Road::Poll);
            Ok(answer(&gather(feed.map_err(refused)?, missing, CATCH_UP).await))
        }
        Ok(ClientFrame::Sync(sync)) => {
            let mut caller = Caller::from_request_parts(&mut parts, &api).await?;
            let follow = places(&api, &mut caller.visit, sync.cur).await?;
            wait(&api, &caller.visit, follow, address).await
        }
        Err(BadFrame::Version) => Err(refused(Refused::new(Close::Version))),
        Ok(_) | Err(_) => Err(refused(Refused::new(Close::BadFrame))),
    }
}

/// Where to begin with the conversations that a visitor names, and with the open one.
async fn places(api: &Api, visit: &mut Visit, cur: Cursors) -> Result<Vec<Start>, Problem> {
    let mut follow = Vec::new();
    for (conversation, seen) in cur {
        let Ok(id) = ConversationId::parse(&conversation) else { continue };
        if api.live.takes_part(&visit.channel.at, id, &visit.user).await.map_err(errors::problem)? {
            follow.push(follow::start(api, &visit.channel, id, Some(seen)).await.map_err(errors::problem)?);
        }
    }
    if let Some(active) = visit.active().await.map_err(errors::problem)?
        && !follow.iter().any(|start| start.conversation == active)
    {
        follow.push(follow::start(api, &visit.channel, active, None).await.map_err(errors::problem)?);
    }
    Ok(follow)
}

/// Conversations of which something was missed, each with the number up to which.
fn missing(follow: &[Start]) -> HashMap<ConversationId, u64> {
    let missed = follow.iter().filter(|start| start.last > start.after);
    missed.map(|start| (start.conversation, start.last)).collect()
}

async fn wait(
    api: &Api,
    visit: &Visit,
    follow: Vec<Start>,
    address: Option<IpAddr>,
) -> Result<Response<Body>, Problem> {
    let missing = missing(&follow);
    let feed =
        Feed::new(api, visit, None, follow, address, Road::Poll).map_err(|refused| refused.problem())?;
    let within = if missing.is_empty() { api.times.poll } else { CATCH_UP };
    Ok(answer(&gather(feed, missing, within).await))
}

/// Frames until everything that was missed is there, and at least one, or the time is over.
async fn gather(mut feed: Feed, mut missing: HashMap<ConversationId, u64>, within: Duration) -> Vec<Bytes> {
    let until = Instant::now() + within;
    let mut frames = Vec::new();
    while frames.len() < MOST {
        let rest = match missing.is_empty() && !frames.is_empty() {
            true => LINGER,
            false => until.saturating_duration_since(Instant::now()),
        };
        let Ok(Some(told)) = feed.next(rest).await else { break };
        if let Some((conversation, seq)) = told.item
            && missing.get(&conversation).is_some_and(|last| seq >= *last)
        {
            missing.remove(&conversation);
        }
        frames.push(told.frame);
    }
    frames
}
