//! Conversations: found by key, listed by activity, gone with all that is in them.

use portico_contract::{ConversationId, UserId};
use portico_store::records::TagMap;
use portico_store::{KeyRange, Table};

use super::world::{World, item};
use crate::{LiveError, NewPerson, What};

#[tokio::test]
async fn a_key_leads_to_one_conversation_also_at_the_same_moment() {
    let world = std::sync::Arc::new(World::new().await);
    let (user, _) = world.visitor().await;
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (world, user) = (world.clone(), user.id.clone());
            tokio::spawn(async move {
                world.live.open(&world.at, Some("order-7"), &user, TagMap::new()).await.unwrap()
            })
        })
        .collect();
    let (mut ids, mut created) = (std::collections::BTreeSet::new(), 0);
    for task in tasks {
        let opened = task.await.unwrap();
        ids.insert(opened.conversation.id);
        created += usize::from(opened.created);
    }
    assert_eq!((ids.len(), created), (1, 1));
    let twin = world.live.open(&world.at, None, &user.id, TagMap::new()).await.unwrap();
    assert!(twin.created && !ids.contains(&twin.conversation.id));
    let nobody = world.live.open(&world.at, Some("x"), &UserId::new(), TagMap::new()).await;
    assert_eq!(nobody, Err(LiveError::NotFound("user")));
    assert_eq!(world.live.conversation(&world.other, twin.conversation.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_users_conversations_are_listed_newest_activity_first() {
    let world = World::new().await;
    let (user, first) = world.visitor().await;
    let mut ids = vec![first];
    for _ in 0..4 {
        ids.push(world.live.open(&world.at, None, &user.id, TagMap::new()).await.unwrap().conversation.id);
    }
    // Times are in milliseconds: let each be later than the one before.
    for (index, id) in [3, 0, 4, 1, 2].into_iter().enumerate() {
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        world.say(ids[id], &user.id, &format!("c-{index:06}")).await;
    }
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let page = world.live.conversations_of(&world.at, &user.id, cursor.take(), 2).await.unwrap();
        for overview in page.items {
            assert_eq!((overview.head, overview.last.is_some()), (1, true));
            listed.push(overview.conversation.id);
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, [2, 1, 4, 0, 3].map(|id| ids[id]));
}

#[tokio::test]
async fn people_come_and_go_and_those_who_listen_learn_it() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let guest = world.live.create_user(&world.at, NewPerson::default()).await.unwrap();
    let mut listener = world.listen(conversation).after(0);
    for _ in 0..2 {
        world.live.add_participant(&world.at, conversation, &guest.id).await.unwrap();
    }
    let shown = item(&mut listener).await;
    let What::Participant { user: who, person, joined } = &shown.what else { panic!() };
    assert_eq!((who, person.is_some(), *joined), (&guest.id, true, true));
    let all = world.live.participants(&world.at, conversation).await.unwrap();
    assert_eq!(all.len(), 2);
    world.live.remove_participant(&world.at, conversation, &guest.id).await.unwrap();
    assert!(matches!(item(&mut listener).await.what, What::Participant { joined: false, .. }));
    let twice = world.live.remove_participant(&world.at, conversation, &guest.id).await;
    assert_eq!(twice, Err(LiveError::NotFound("user")));
    let lost = world.live.add_participant(&world.at, ConversationId([9; 16]), &user.id).await;
    assert_eq!(lost, Err(LiveError::NotFound("conversation")));
    assert_eq!(world.live.head(&world.at, conversation).await.unwrap().last, 2);
}

#[tokio::test]
async fn a_deleted_conversation_leaves_nothing_and_takes_nothing() {
    let world = World::new().await;
    let (user, conversation) = world.visitor().await;
    let running = world.drive();
    for index in 0..250 {
        world.say(conversation, &user.id, &format!("c-{index:06}")).await;
    }
    world.bot_says(conversation, "b").await;
    world.sent(conversation).await;
    world.live.read(&world.at, conversation, &user.id, 251).await.unwrap();
    world.bot_says(conversation, "waits").await;
    world.live.delete_conversation(&world.at, conversation).await.unwrap();
    world.sent(conversation).await;
    for table in [Table::Conversation, Table::Message, Table::Stream] {
        let rows = world.store.scan(table, KeyRange::prefix(Default::default(), 10)).await.unwrap();
        assert!(rows.is_empty(), "{table:?} still has rows");
    }
    let left = world.store.scan(Table::Index, KeyRange::prefix(Default::default(), 1_000)).await.unwrap();
    let names_it = |key: &[u8]| key.windows(16).any(|part| part == conversation.0);
    assert!(!left.iter().any(|(key, _)| names_it(&key.0)), "an index still names it");
    let more = world.live.say(&world.at, World::text(conversation, &user.id, "c-999999", "x")).await;
    assert_eq!(more, Err(LiveError::NotFound("conversation")));
    let again = world.live.delete_conversation(&world.at, conversation).await;
    assert_eq!(again, Err(LiveError::NotFound("conversation")));
    running.kill().await;
}
