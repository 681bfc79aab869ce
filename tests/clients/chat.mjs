// Drives every operation of the public chat client against a gateway, with a bot behind it that answers as
// live-bot.mjs does, and checks what comes back. What the client can't read as a signal it calls `unknown`; nothing
// but pings may be unknown to it. Prints one line per group; the first thing that is wrong ends it with status 1.
//
//   PORTICO_CHAT         address of a chat without an encryption key (http://127.0.0.1:8091/chat/backend)
//   PORTICO_CHAT_SIGNED  address of one with an encryption key
//   PORTICO_CHAT_KEY     that key
//   PORTICO_BOT          id of the bot
//   PORTICO_SILENCE      seconds for which nothing is said, to see that the stream lives on (0: left out)

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import * as chat from '@botpress/chat'

const env = (name, other) => process.env[name] ?? other
const apiUrl = env('PORTICO_CHAT', 'http://127.0.0.1:8091/chat/backend')
const signedUrl = env('PORTICO_CHAT_SIGNED', 'http://127.0.0.1:8091/chat/signed')
const encryptionKey = env('PORTICO_CHAT_KEY', 'a key of the shop')
const bot = env('PORTICO_BOT', 'support')
const silence = Number(env('PORTICO_SILENCE', '0'))
const run = randomUUID().slice(0, 8)

const isDate = (text) => assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
const refuses = async (type, work) => {
  const error = await work.then(
    () => assert.fail(`${type} was expected, and the call succeeded`),
    (error) => error,
  )
  assert.ok(error instanceof chat[`${type}Error`], `${type} was expected: ${error.constructor.name} ${error.message}`)
}

// A listener that keeps everything it hears, and complains of what the client could not read.
const listen = async (client, id) => {
  const listener = await client.listenConversation({ id })
  const heard = []
  const waiting = new Set()
  const keep = (type) => (data) => {
    heard.push({ type, data })
    for (const check of waiting) check()
  }
  for (const type of [
    'message_created', 'message_deleted', 'event_created', 'participant_added', 'participant_removed',
  ])
    listener.on(type, keep(type))
  listener.on('error', keep('error'))
  listener.on('unknown', (data) => {
    if (data !== 'ping' && data?.data !== 'ping') keep('unknown')(data)
  })
  // The first signal of a type that fits, from the beginning on.
  const wait = (type, fits = () => true) =>
    new Promise((resolve, reject) => {
      const clock = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`no ${type} came; heard: ${JSON.stringify(heard)}`))
      }, 15_000)
      const check = () => {
        const found = heard.find((one) => one.type === type && fits(one.data))
        if (!found) return
        clearTimeout(clock)
        waiting.delete(check)
        resolve(found.data)
      }
      waiting.add(check)
      check()
    })
  return { listener, heard, wait }
}
const close = async ({ listener }) => {
  await listener.disconnect()
  listener.cleanup()
}

const groups = []
const group = (name, work) => groups.push([name, work])

group('a whole conversation', async () => {
  const client = await chat.Client.connect({ apiUrl })
  isDate(client.user.createdAt)
  const { conversation } = await client.createConversation({})
  const ear = await listen(client, conversation.id)
  const metadata = { foo: 'bar' }
  const payload = { type: 'text', text: 'Grüße 👋' }
  const { message } = await client.createMessage({ conversationId: conversation.id, payload, metadata })
  const { isBot: mine, ...own } = await ear.wait('message_created', (data) => data.userId === client.user.id)
  assert.equal(mine, false)
  assert.deepEqual(own, message)
  const { isBot: theirs, ...reply } = await ear.wait('message_created', (data) => data.userId !== client.user.id)
  assert.equal(theirs, true)
  assert.equal(reply.userId, bot)
  assert.deepEqual([reply.payload, reply.metadata], [payload, metadata])
  const { messages, meta } = await client.listMessages({ conversationId: conversation.id })
  assert.deepEqual(messages, [reply, message])
  assert.deepEqual(meta, {})
  assert.deepEqual((await client.getMessage({ id: message.id })).message, message)
  await client.deleteMessage({ id: message.id })
  const gone = { id: message.id, conversationId: conversation.id, userId: client.user.id }
  assert.deepEqual(await ear.wait('message_deleted'), gone)
  await refuses('ResourceNotFound', client.getMessage({ id: message.id }))
  assert.deepEqual(ear.heard.filter(({ type }) => type === 'unknown' || type === 'error'), [])
  await close(ear)
})

group('every type of message, there and back', async () => {
  const client = await chat.Client.connect({ apiUrl })
  const { conversation } = await client.createConversation({})
  const ear = await listen(client, conversation.id)
  const card = { title: 't', subtitle: 's', actions: [{ action: 'say', label: 'l', value: 'v' }] }
  const options = [{ label: 'a', value: 'b' }]
  const types = [
    { type: 'text', text: 'hi' },
    { type: 'markdown', markdown: '**hi**' },
    { type: 'image', imageUrl: 'https://files.example/a.png' },
    { type: 'audio', audioUrl: 'https://files.example/a.ogg' },
    { type: 'video', videoUrl: 'https://files.example/a.mp4' },
    { type: 'file', fileUrl: 'https://files.example/a.pdf', title: 'a' },
    { type: 'location', latitude: 1.5, longitude: -2, address: 'x' },
    { type: 'card', ...card },
    { type: 'carousel', items: [{ type: 'card', ...card }, { type: 'card', title: 'u', actions: [] }] },
    { type: 'choice', text: '?', options },
    { type: 'dropdown', text: '?', options },
    { type: 'bloc', items: [{ type: 'text', text: 'a' }, { type: 'image', imageUrl: 'https://files.example/a.png' }] },
  ]
  for (const payload of types) {
    const { message } = await client.createMessage({ conversationId: conversation.id, payload })
    assert.deepEqual(message.payload, payload)
    const fits = (data) => data.isBot && data.payload.type === payload.type
    assert.deepEqual((await ear.wait('message_created', fits)).payload, payload)
  }
  // What bots send without being asked to by the chat client's own schema.
  await client.createMessage({ conversationId: conversation.id, payload: { type: 'text', text: 'odd' } })
  const odd = await ear.wait('message_created', (data) => data.isBot && data.payload.text?.includes('https://odd.example'))
  assert.equal(odd.payload.type, 'text')
  await ear.wait('message_created', (data) => data.isBot && data.payload.type === 'carousel' && data.payload.items[0].title === 'bare')
  assert.deepEqual(ear.heard.filter(({ type }) => type === 'unknown' || type === 'error'), [])
  await close(ear)
})

group('events', async () => {
  const client = await chat.Client.connect({ apiUrl })
  const { conversation } = await client.createConversation({})
  const ear = await listen(client, conversation.id)
  const payload = { foo: { bar: [1, null] } }
  const { event } = await client.createEvent({ conversationId: conversation.id, payload })
  assert.deepEqual((await client.getEvent({ id: event.id })).event, event)
  const { isBot, ...own } = await ear.wait('event_created', (data) => !data.isBot)
  assert.equal(isBot, false)
  assert.deepEqual(own, event)
  const answer = await ear.wait('event_created', (data) => data.isBot)
  assert.equal(answer.id, null)
  assert.deepEqual(answer.payload, payload)
  await close(ear)
})

group('own ids', async () => {
  const userId = `user-${run}`
  const id = `room/${run}`
  const client = await chat.Client.connect({ apiUrl, userId })
  assert.equal(client.user.id, userId)
  assert.equal((await client.createConversation({ id })).conversation.id, id)
  assert.equal((await client.getOrCreateConversation({ id })).conversation.id, id)
  const ear = await listen(client, id)
  const { message } = await client.createMessage({ conversationId: id, payload: { type: 'text', text: 'hi' } })
  assert.deepEqual([message.userId, message.conversationId], [userId, id])
  const reply = await ear.wait('message_created', (data) => data.isBot)
  assert.equal(reply.conversationId, id)
  await refuses('AlreadyExists', client.createConversation({ id }))
  await refuses('AlreadyExists', new chat.Client({ apiUrl }).createUser({ id: userId }))
  for (const bad of [`a+${run}`, 'x'.repeat(71)]) {
    await refuses('InvalidPayload', client.createConversation({ id: bad }))
    await refuses('InvalidPayload', client.getOrCreateConversation({ id: bad }))
    await refuses('InvalidPayload', new chat.Client({ apiUrl }).createUser({ id: bad }))
  }
  await close(ear)
})

group('users', async () => {
  const facts = { name: 'Ada', pictureUrl: 'https://p.example/a', profile: '{}' }
  const { user, key: userKey } = await new chat.Client({ apiUrl }).createUser(facts)
  const client = await chat.Client.connect({ apiUrl, userKey })
  assert.deepEqual((await client.getUser({})).user, user)
  assert.deepEqual([user.name, user.pictureUrl, user.profile], ['Ada', 'https://p.example/a', '{}'])
  assert.equal((await client.updateUser({ name: 'Eve' })).user.name, 'Eve')
  await client.deleteUser({})
  await assert.rejects(client.getUser({}))
})

group('participants', async () => {
  const client = new chat.Client({ apiUrl })
  const [one, two, three] = await Promise.all([client.createUser({}), client.createUser({}), client.createUser({})])
  const first = { 'x-user-key': one.key }
  const second = { 'x-user-key': two.key }
  const third = { 'x-user-key': three.key }
  const { conversation } = await client.createConversation(first)
  const conversationId = conversation.id
  const say = (key) => client.createMessage({ ...key, conversationId, payload: { type: 'text', text: 'x' } })
  const ear = await listen({ listenConversation: (x) => client.listenConversation({ ...x, ...first }) }, conversationId)
  await refuses('Forbidden', say(second))
  await client.addParticipant({ ...first, conversationId, userId: two.user.id })
  const who = { conversationId, participantId: two.user.id }
  assert.deepEqual(await ear.wait('participant_added'), who)
  await say(second)
  const theirs = await listen({ listenConversation: (x) => client.listenConversation({ ...x, ...second }) }, conversationId)
  assert.equal((await client.listParticipants({ ...second, conversationId })).participants.length, 2)
  await refuses('Forbidden', client.listParticipants({ ...third, conversationId }))
  await refuses('Forbidden', client.getConversation({ ...third, id: conversationId }))
  assert.equal((await client.getParticipant({ ...first, conversationId, userId: two.user.id })).participant.id, two.user.id)
  await refuses('InvalidPayload', client.removeParticipant({ ...first, conversationId, userId: one.user.id }))
  await client.removeParticipant({ ...first, conversationId, userId: two.user.id })
  assert.deepEqual(await ear.wait('participant_removed'), who)
  await refuses('Forbidden', say(second))
  const { message } = await say(first)
  await ear.wait('message_created', (data) => data.id === message.id)
  assert.ok(!theirs.heard.some(({ data }) => data.id === message.id))
  await refuses('Forbidden', client.deleteConversation({ ...third, id: conversationId }))
  await close(ear)
  await client.deleteConversation({ ...first, id: conversationId })
  await refuses('ResourceNotFound', client.getConversation({ ...first, id: conversationId }))
  await close(theirs)
})

group('lists go on', async () => {
  const client = await chat.Client.connect({ apiUrl })
  const { conversation } = await client.createConversation({})
  for (let index = 0; index < 55; index++)
    await client.createMessage({ conversationId: conversation.id, payload: { type: 'text', text: `quiet ${index}` } })
  const all = await client.list.messages({ conversationId: conversation.id }).collect()
  assert.deepEqual(
    all.map(({ payload }) => payload.text),
    [...Array(55).keys()].reverse().map((index) => `quiet ${index}`),
  )
  const { conversations } = await client.listConversations({})
  assert.deepEqual(conversations.map(({ id }) => id), [conversation.id])
})

group('a listener comes back', async () => {
  const client = await chat.Client.connect({ apiUrl })
  const { conversation } = await client.createConversation({})
  const ear = await listen(client, conversation.id)
  await ear.listener.disconnect()
  const say = (text) => client.createMessage({ conversationId: conversation.id, payload: { type: 'text', text } })
  const missed = (await say('quiet while away')).message
  await ear.listener.connect()
  const { message } = await say('quiet again')
  await ear.wait('message_created', ({ id }) => id === message.id)
  assert.ok(!ear.heard.some(({ data }) => data.id === missed.id), 'there is no replay')
  await close(ear)
})

group('keys that are signed outside', async () => {
  const signed = new chat.Client({ apiUrl: signedUrl })
  await refuses('Unauthorized', signed.createUser({}))
  const userId = `customer-${run}`
  const client = await chat.Client.connect({ apiUrl: signedUrl, encryptionKey, userId })
  assert.equal(client.user.id, userId)
  const id = `order-${run}`
  await client.getOrCreateConversation({ id })
  const ear = await listen(client, id)
  await client.createMessage({ conversationId: id, payload: { type: 'text', text: 'hello' } })
  await ear.wait('message_created', (data) => data.isBot && data.payload.text === 'hello')
  await close(ear)
  const forged = chat.Client.connect({ apiUrl: signedUrl, encryptionKey: 'another key', userId })
  await refuses('Unauthorized', forged)
  const other = await chat.Client.connect({ apiUrl: signedUrl, encryptionKey, userId: `other-${run}` })
  await refuses('Forbidden', other.getOrCreateConversation({ id }))
})

group(`${silence} s of silence`, async () => {
  if (!silence) return
  const client = await chat.Client.connect({ apiUrl })
  const { conversation } = await client.createConversation({})
  const ear = await listen(client, conversation.id)
  await new Promise((resolve) => setTimeout(resolve, silence * 1000))
  assert.equal(ear.listener.status, 'connected')
  assert.deepEqual(ear.heard, [])
  const { message } = await client.createMessage({
    conversationId: conversation.id, payload: { type: 'text', text: 'quiet at last' },
  })
  await ear.wait('message_created', ({ id }) => id === message.id)
  await close(ear)
})

for (const [name, work] of groups) {
  await work()
  console.log(`ok: ${name}`)
}
// The client keeps their connections for a while.
process.exit(0)
