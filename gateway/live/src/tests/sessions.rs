//! Tokens: good for a month from their last use, replaced with a minute's grace, revoked at once.

use portico_store::{KeyRange, Table};

use super::world::World;
use crate::{Live, NewPerson, Session};

#[tokio::test]
async fn a_token_leads_to_its_session_and_is_kept_as_a_digest_only() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let sessions = world.live.sessions();
    let minted = sessions.mint(&world.at, &user.id, None).await.unwrap();
    assert_eq!(minted.token.len(), 43);
    assert!(!format!("{minted:?}").contains(&minted.token));
    let checked = sessions.check(&world.at, &minted.token).await.unwrap().unwrap();
    assert_eq!(checked, minted.session);
    assert_eq!((&checked.user, &checked.subject, checked.replaced), (&user.id, &None, false));
    sessions.set_conversation(&world.at, &minted.token, Some(conversation)).await.unwrap();
    let checked = sessions.check(&world.at, &minted.token).await.unwrap().unwrap();
    assert_eq!(checked.conversation, Some(conversation));
    let rows = world.store.scan(Table::Session, KeyRange::prefix(Default::default(), 100)).await.unwrap();
    for (key, row) in rows {
        for bytes in [&key.0[..], &row.value[..]] {
            assert!(!bytes.windows(20).any(|part| minted.token.as_bytes().starts_with(part)));
        }
    }
    for token in ["", "x", &"A".repeat(43), &format!("{}A", minted.token)] {
        assert_eq!(sessions.check(&world.at, token).await.unwrap(), None, "{token}");
    }
    // Another channel's visitor is nobody here.
    assert_eq!(sessions.check(&world.other, &minted.token).await.unwrap(), None);
}

#[tokio::test]
async fn a_replaced_token_is_good_for_a_minute_and_may_be_replaced_again_meanwhile() {
    let world = World::new().await;
    let (user, _) = world.visitor().await;
    let sessions = world.live.sessions();
    let first = sessions.mint(&world.at, &user.id, Some("ana")).await.unwrap();
    let second = sessions.rotate(&world.at, &first.token).await.unwrap().unwrap();
    // The answer with the second token was lost: the first one gets a third.
    let third = sessions.rotate(&world.at, &first.token).await.unwrap().unwrap();
    assert_eq!(second.session.id, first.session.id);
    assert_eq!(third.session.subject.as_deref(), Some("ana"));
    let old = sessions.check(&world.at, &first.token).await.unwrap().unwrap();
    assert!(old.replaced && old.expires_at <= portico_turns::now() + 60_000);
    for token in [&second.token, &third.token] {
        let new = sessions.check(&world.at, token).await.unwrap().unwrap();
        assert!(!new.replaced && new.expires_at > portico_turns::now() + 29 * 24 * 3_600_000);
    }
    sessions.revoke(&world.at, &third.token).await.unwrap();
    for token in [&first.token, &second.token, &third.token] {
        assert_eq!(sessions.check(&world.at, token).await.unwrap(), None);
    }
    assert!(sessions.rotate(&world.at, &first.token).await.unwrap().is_none());
    sessions.revoke(&world.at, &third.token).await.unwrap();
}

/// Sets the end of every token of a session.
async fn end_at(live: &Live, world: &World, until: u64) {
    let rows = world.store.scan(Table::Session, KeyRange::prefix(Default::default(), 100)).await.unwrap();
    let changes = rows.into_iter().map(|(key, row)| {
        let mut value = until.to_be_bytes().to_vec();
        value.extend_from_slice(&row.value[8..]);
        portico_store::Change::put(Table::Session, key, value)
    });
    world.store.commit(portico_store::Commit::of(changes)).await.unwrap();
    assert!(live.sweep().await.is_ok());
}

#[tokio::test]
async fn use_makes_a_token_live_longer_and_an_old_one_is_over_and_swept() {
    let world = World::new().await;
    let (user, _) = world.visitor().await;
    let sessions = world.live.sessions();
    let minted = sessions.mint(&world.at, &user.id, None).await.unwrap();
    let now = portico_turns::now();
    end_at(&world.live, &world, now + 1_000_000).await;
    let longer: Session = sessions.check(&world.at, &minted.token).await.unwrap().unwrap();
    assert!(longer.expires_at >= now + 30 * 24 * 3_600_000);
    assert_eq!(sessions.check(&world.at, &minted.token).await.unwrap().unwrap(), longer);
    end_at(&world.live, &world, now - 1).await;
    assert_eq!(sessions.check(&world.at, &minted.token).await.unwrap(), None);
    let rows = world.store.scan(Table::Session, KeyRange::prefix(Default::default(), 100)).await.unwrap();
    assert!(rows.is_empty());
}

#[tokio::test]
async fn the_sessions_of_a_removed_person_end() {
    let world = World::new().await;
    let user = world.live.create_user(&world.at, NewPerson::default()).await.unwrap();
    let minted = world.live.sessions().mint(&world.at, &user.id, None).await.unwrap();
    world.live.delete_user(&world.at, &user.id).await.unwrap();
    assert_eq!(world.live.sessions().check(&world.at, &minted.token).await.unwrap(), None);
}
