// Drives every runtime and files operation of the public Botpress client against a gateway, and checks what
// comes back. Prints one line per group; the first thing that is wrong ends it with status 1.
//
//   PORTICO_URL          base URL, such as http://127.0.0.1:8090
//   PORTICO_TOKEN        a token of the bot (token-a)
//   PORTICO_BOT          the bot (a)
//   PORTICO_INTEGRATION  id of an installation of the bot (toy-a)
//   PORTICO_ALIAS        its alias (toy)
//   PORTICO_CHANNEL      one of its channels (dm)
//   PORTICO_IDENTITY     JSON: an identity tag of that channel, without prefix, and how to make values of it
//                        ({"id":"D"}: the value is completed by a random part)
//   PORTICO_ACTION       JSON: an action that works without the outside, or empty
//                        ({"type":"toy:echo","input":{"text":"hi"},"output":{"said":"hi"}})

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { Client, isApiError } from '@botpress/client'

const env = (name, other) => process.env[name] ?? other
const apiUrl = env('PORTICO_URL', 'http://127.0.0.1:8090')
const token = env('PORTICO_TOKEN', 'token-a')
const botId = env('PORTICO_BOT', 'a')
const integrationId = env('PORTICO_INTEGRATION', 'toy-a')
const alias = env('PORTICO_ALIAS', 'toy')
const channel = env('PORTICO_CHANNEL', 'dm')
const identity = JSON.parse(env('PORTICO_IDENTITY', '{"id":"D"}'))
const action = JSON.parse(
  env('PORTICO_ACTION', '{"type":"toy:echo","input":{"text":"hi"},"output":{"said":"hi"}}') || 'null',
)
const run = randomUUID().slice(0, 8)

const used = new Set()
// Notes which operations were called, so that the end can tell which were not.
const noting = (client) =>
  new Proxy(client, {
    get(target, name) {
      if (typeof target[name] === 'function') used.add(name)
      return target[name]
    },
  })
// As the SDK does it: whoever is asked to slow down comes back.
const retry = { retries: 10, retryCondition: (error) => error.response?.status === 429, retryDelay: () => 500 }
const bot = noting(new Client({ apiUrl: `${apiUrl}/`, token, botId, retry }))
const integration = noting(new Client({ apiUrl, token, botId, integrationId, integrationAlias: alias, retry }))
const groups = []
const group = (name, work) => groups.push([name, work])

const isDate = (text) => assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/)
const isObject = (object) => {
  assert.ok(object.id)
  isDate(object.createdAt)
  return object
}
const refuses = async (type, code, work, text) => {
  const error = await work.then(
    () => assert.fail(`${type} was expected, and the call succeeded`),
    (error) => error,
  )
  assert.ok(isApiError(error), String(error))
  assert.equal(error.type, type, error.message)
  assert.equal(error.code, code)
  assert.match(error.id, /^err_/)
  if (text) assert.match(error.message, text)
}
const tagsOf = (tags) => Object.fromEntries(Object.entries(tags).map(([name, value]) => [`${alias}:${name}`, value]))
const thread = (what) => Object.fromEntries(Object.entries(identity).map(([name, lead]) => [name, `${lead}${run}${what}`]))
const collected = async (pages) => {
  const all = []
  for await (const item of pages) all.push(item)
  return all
}

let user, conversation

group('users', async () => {
  const made = await bot.createUser({ tags: { color: 'red', run }, name: 'Ann', pictureUrl: 'https://example.com/a.png' })
  user = isObject(made.user)
  assert.deepEqual(user.tags, { color: 'red', run })
  assert.equal((await bot.getUser({ id: user.id })).user.name, 'Ann')
  const changed = await bot.updateUser({ id: user.id, tags: { color: '', size: 'xl' }, name: null })
  assert.deepEqual(changed.user.tags, { run, size: 'xl' })
  assert.equal(changed.user.name, undefined)
  const first = await integration.getOrCreateUser({ tags: { id: `U${run}` }, name: 'Bob' })
  const second = await integration.getOrCreateUser({ tags: { id: `U${run}` } })
  assert.equal(first.user.id, second.user.id)
  assert.deepEqual(second.user.tags, { id: `U${run}` })
  assert.deepEqual((await bot.getUser({ id: first.user.id })).user.tags, { [`${alias}:id`]: `U${run}` })
  const many = await Promise.all(Array.from({ length: 16 }, () => bot.getOrCreateUser({ tags: { many: run } })))
  assert.equal(new Set(many.map(({ user }) => user.id)).size, 1)
  const gone = await bot.createUser({ tags: { run } })
  await bot.deleteUser({ id: gone.user.id })
  await refuses('ResourceNotFound', 404, bot.getUser({ id: gone.user.id }))
  await refuses('ResourceNotFound', 404, bot.getUser({ id: 'no/such user' }))
  await refuses('InvalidPayload', 400, bot.createUser({ tags: { a: 1 } }), /tags/)
  const listed = await bot.listUsers({ tags: { run } })
  assert.deepEqual(listed.users.map(({ id }) => id), [user.id])
  assert.ok(listed.meta)
  assert.equal((await bot.getUser({ id: botId })).user.id, botId)
})

group('conversations', async () => {
  const made = await integration.getOrCreateConversation({ channel, tags: thread('a'), discriminateByTags: Object.keys(identity) })
  conversation = isObject(made.conversation)
  assert.equal(conversation.channel, channel)
  assert.equal(conversation.integration, alias)
  assert.deepEqual(conversation.tags, thread('a'))
  const seen = (await bot.getConversation({ id: conversation.id })).conversation
  assert.deepEqual(seen.tags, tagsOf(thread('a')))
  const again = await bot.getOrCreateConversation({ channel, integrationName: alias, tags: tagsOf(thread('a')) })
  assert.equal(again.conversation.id, conversation.id)
  const other = await integration.createConversation({ channel, tags: thread('b') })
  assert.notEqual(other.conversation.id, conversation.id)
  await refuses('AlreadyExists', 409, integration.createConversation({ channel, tags: thread('b') }))
  await refuses('InvalidPayload', 400, integration.createConversation({ channel: 'nowhere', tags: {} }), /channel/)
  const own = await bot.createConversation({ channel: 'notes', tags: { run } })
  const changed = await bot.updateConversation({ id: own.conversation.id, currentTaskId: 't1', tags: { topic: 'x' } })
  assert.equal(changed.conversation.currentTaskId, 't1')
  assert.deepEqual(changed.conversation.tags, { run, topic: 'x' })
  const many = await Promise.all(
    Array.from({ length: 16 }, () => bot.getOrCreateConversation({ channel: 'notes', tags: { many: run } })),
  )
  assert.equal(new Set(many.map(({ conversation }) => conversation.id)).size, 1)
  const byTag = await bot.listConversations({ tags: { run }, sortField: 'updatedAt', sortDirection: 'asc' })
  assert.deepEqual(byTag.conversations.map(({ id }) => id), [own.conversation.id])
  const listed = await bot.listConversations({ integrationName: alias, channel })
  assert.ok(listed.conversations.some(({ id }) => id === conversation.id))
  await bot.deleteConversation({ id: own.conversation.id })
  await refuses('ResourceNotFound', 404, bot.getConversation({ id: own.conversation.id }))
})

group('participants', async () => {
  const added = await bot.addParticipant({ id: conversation.id, userId: user.id })
  assert.equal(added.participant.id, user.id)
  assert.equal((await bot.getParticipant({ id: conversation.id, userId: user.id })).participant.id, user.id)
  assert.ok((await collected(bot.list.participants({ id: conversation.id }))).some(({ id }) => id === user.id))
  assert.ok((await bot.listParticipants({ id: conversation.id })).meta)
  const found = await bot.listConversations({ participantIds: [user.id] })
  assert.deepEqual(found.conversations.map(({ id }) => id), [conversation.id])
  await bot.removeParticipant({ id: conversation.id, userId: user.id })
  await refuses('ResourceNotFound', 404, bot.getParticipant({ id: conversation.id, userId: user.id }))
  await refuses('ReferenceNotFound', 400, bot.addParticipant({ id: conversation.id, userId: 'user_x' }), /userId/)
})

group('messages', async () => {
  const say = (text, more = {}) =>
    bot.createMessage({ conversationId: conversation.id, userId: botId, type: 'text', payload: { text }, tags: {}, ...more })
  const out = isObject((await say('hello', { tags: { mine: 'x' } })).message)
  assert.equal(out.direction, 'outgoing')
  assert.deepEqual(out.payload, { text: 'hello' })
  assert.equal(out.tags.mine, 'x')
  assert.equal((await bot.getMessage({ id: out.id })).message.conversationId, conversation.id)
  const tagged = await bot.updateMessage({ id: out.id, tags: { mine: '', other: 'y' } })
  assert.equal(tagged.message.tags.mine, undefined)
  assert.equal(tagged.message.tags.other, 'y')
  const bring = (text, tags) =>
    integration.createMessage({ conversationId: conversation.id, userId: user.id, type: 'text', payload: { text }, tags })
  const into = (await bring('hi', { id: `M${run}` })).message
  assert.equal(into.direction, 'incoming')
  assert.deepEqual(into.tags, { id: `M${run}` })
  assert.equal((await bot.getMessage({ id: into.id })).message.tags[`${alias}:id`], `M${run}`)
  const found = () =>
    integration.getOrCreateMessage({
      conversationId: conversation.id, userId: user.id, type: 'text', payload: { text: 'once' },
      tags: { id: `O${run}` }, discriminateByTags: ['id'],
    })
  const many = await Promise.all(Array.from({ length: 16 }, found))
  assert.equal(new Set(many.map(({ message }) => message.id)).size, 1)
  const past = new Date(Date.now() - 86_400_000).toISOString()
  const imported = await integration.importMessages({
    messages: [{
      conversationId: conversation.id, userId: user.id, type: 'text', payload: { text: 'old' },
      tags: { id: `P${run}` }, createdAt: past, discriminateByTags: ['id'],
    }],
  })
  assert.equal(imported.messages[0].createdAt, past)
  for (let n = 0; n < 60; n++) await bring(`n${n}`, {})
  const all = await collected(bot.list.messages({ conversationId: conversation.id }))
  assert.equal(all.length, 64)
  assert.equal(new Set(all.map(({ id }) => id)).size, 64)
  assert.deepEqual([all[0].payload.text, all.at(-1).payload.text], ['n59', 'old'])
  const one = await bot.listMessages({ conversationId: conversation.id, tags: { other: 'y' } })
  assert.deepEqual(one.messages.map(({ id }) => id), [out.id])
  await bot.deleteMessage({ id: out.id })
  await refuses('ResourceNotFound', 404, bot.getMessage({ id: out.id }))
  const later = (await say('later', { schedule: { delay: 3_600_000 } })).message
  assert.equal((await bot.getMessage({ id: later.id })).message.payload.text, 'later')
  await bot.deleteMessage({ id: later.id })
  await refuses('ResourceNotFound', 404, bot.getMessage({ id: later.id }))
  await refuses('ReferenceNotFound', 400, say('x', { conversationId: 'conv_x' }), /conversationId/)
  await refuses('ReferenceNotFound', 400, say('x', { userId: 'user_x' }), /userId/)
  await refuses('InvalidPayload', 400, say(7), /payload\.text/)
  await refuses('InvalidPayload', 400, say('x', { payload: 'x' }), /payload/)
})

group('initializeIncomingMessage', async () => {
  const bring = () =>
    integration.initializeIncomingMessage({
      user: { tags: { id: `I${run}` }, name: 'Ina', discriminateByTags: ['id'] },
      conversation: { channel, tags: thread('i'), discriminateByTags: Object.keys(identity) },
      message: { type: 'text', payload: { text: 'all in one' }, tags: { id: `I${run}` }, discriminateByTags: ['id'] },
    })
  const answers = await Promise.all(Array.from({ length: 8 }, bring))
  for (const field of ['user', 'conversation', 'message']) {
    assert.equal(new Set(answers.map((answer) => answer[field].id)).size, 1, field)
  }
  assert.equal(answers[0].message.direction, 'incoming')
  assert.equal(answers[0].message.userId, answers[0].user.id)
})

group('states', async () => {
  for (const [type, id, client] of [
    ['conversation', conversation.id, bot], ['user', user.id, bot], ['bot', botId, bot],
    ['integration', integrationId, integration],
  ]) {
    const at = { type, id, name: `state-${run}` }
    await refuses('ResourceNotFound', 404, client.getState(at))
    const first = await client.getOrSetState({ ...at, payload: { n: 1 } })
    assert.deepEqual(first.state.payload, { n: 1 })
    assert.equal(first.meta.cached, false)
    assert.equal(first.state.name, at.name)
    assert.equal(first.state.type, type)
    assert.deepEqual((await client.getOrSetState({ ...at, payload: { n: 2 } })).state.payload, { n: 1 })
    assert.deepEqual((await client.patchState({ ...at, payload: { m: 2 } })).state.payload, { n: 1, m: 2 })
    const set = await client.setState({ ...at, payload: { z: [1] }, expiry: 60_000 })
    assert.equal(set.state.expiry, 60_000)
    isDate(set.state.expiresAt)
    await client.setStateExpiry({ ...at, expiry: null })
    assert.equal((await client.getState(at)).state.expiry, undefined)
    await client.setState({ ...at, payload: null })
    await refuses('ResourceNotFound', 404, client.getState(at))
  }
  const short = { type: 'bot', id: botId, name: `short-${run}` }
  await bot.setState({ ...short, payload: { a: 1 }, expiry: 50 })
  await new Promise((resolve) => setTimeout(resolve, 120))
  await refuses('ResourceNotFound', 404, bot.getState(short))
})

group('events', async () => {
  const own = isObject((await bot.createEvent({ type: 'mine', payload: { a: 1 }, conversationId: conversation.id })).event)
  assert.equal(own.type, 'mine')
  assert.equal(own.failureReason, null)
  const read = (await bot.getEvent({ id: own.id })).event
  assert.deepEqual([read.type, read.payload, read.conversationId], ['mine', { a: 1 }, conversation.id])
  const theirs = (await integration.createEvent({ type: 'reacted', payload: {} })).event
  assert.equal(theirs.type, 'reacted')
  assert.equal((await bot.getEvent({ id: theirs.id })).event.type, `${alias}:reacted`)
  const later = (await bot.createEvent({ type: 'later', payload: {}, schedule: { delay: 3_600_000 } })).event
  assert.equal(later.status, 'scheduled')
  const waiting = await bot.listEvents({ status: 'scheduled' })
  assert.ok(waiting.events.some(({ id }) => id === later.id))
  await bot.cancelScheduledEvent({ id: later.id })
  assert.equal((await bot.getEvent({ id: later.id })).event.status, 'canceled')
  await refuses('ResourceNotFound', 404, bot.cancelScheduledEvent({ id: later.id }))
  const mine = await bot.listEvents({ type: 'mine', conversationId: conversation.id })
  assert.deepEqual(mine.events.map(({ id }) => id), [own.id])
  assert.ok((await collected(bot.list.events({}))).length >= 2)
  await refuses('InvalidPayload', 400, bot.createEvent({ type: 'message_created', payload: {} }), /type/)
})

group('actions', async () => {
  if (action) {
    const { output, meta } = await bot.callAction({ type: action.type, input: action.input })
    assert.deepEqual(output, action.output)
    assert.equal(meta.cached, false)
  }
  await refuses('ReferenceNotFound', 400, bot.callAction({ type: 'nobody:act', input: {} }))
  await refuses('MethodNotFound', 405, bot.callAction({ type: `${alias}:nothingOfTheKind`, input: {} }))
  assert.deepEqual(await integration.configureIntegration({ identifier: `team-${run}` }), {})
  await refuses('Forbidden', 403, bot.configureIntegration({ identifier: 'x' }))
})

group('workflows', async () => {
  const made = isObject((await bot.createWorkflow({ name: 'order', status: 'pending', tags: { run }, input: { n: 1 } })).workflow)
  assert.equal((await bot.getWorkflow({ id: made.id })).workflow.name, 'order')
  const done = await bot.updateWorkflow({ id: made.id, status: 'completed', output: { ok: true } })
  isDate(done.workflow.completedAt)
  const find = () => bot.getOrCreateWorkflow({ name: 'order', status: 'pending', tags: { run: `${run}x` } })
  const many = await Promise.all(Array.from({ length: 8 }, find))
  assert.equal(new Set(many.map(({ workflow }) => workflow.id)).size, 1)
  const listed = await bot.listWorkflows({ tags: { run }, statuses: ['completed'] })
  assert.deepEqual(listed.workflows.map(({ id }) => id), [made.id])
  await bot.setState({ type: 'workflow', id: made.id, name: 's', payload: { a: 1 } })
  assert.deepEqual((await bot.getState({ type: 'workflow', id: made.id, name: 's' })).state.payload, { a: 1 })
  await bot.deleteWorkflow({ id: made.id })
  await refuses('ResourceNotFound', 404, bot.getWorkflow({ id: made.id }))
})

group('tags and analytics', async () => {
  const users = await bot.listTagValues({ key: 'run', type: 'user' })
  assert.ok(users.tags.some(({ value }) => value === run))
  const first = Object.keys(identity)[0]
  const conversations = await integration.listTagValues({ key: first, type: 'conversation' })
  assert.ok(conversations.tags.some(({ value }) => value === thread('a')[first]))
  const messages = await bot.listTagValues({ key: `${alias}:id`, type: 'message' })
  assert.ok(messages.tags.some(({ value }) => value === `O${run}`))
  assert.deepEqual(await bot.trackAnalytics({ name: 'n', count: 1 }), {})
  assert.deepEqual(await bot.captureObservation({ name: 'n', data: {} }), {})
  await refuses('MethodNotFound', 405, bot.listTasks({}))
  await refuses('MethodNotFound', 405, bot.listTables({}))
})

group('files', async () => {
  const key = `folder/${run} ü.txt`
  const { file } = await bot.uploadFile({ key, content: 'grüße', contentType: 'text/plain', accessPolicies: ['public_content'], tags: { run } })
  assert.equal(file.key, key)
  const served = await fetch(file.url)
  assert.equal(served.status, 200)
  assert.equal(await served.text(), 'grüße')
  assert.match(served.headers.get('content-disposition'), /^attachment/)
  assert.equal(served.headers.get('x-content-type-options'), 'nosniff')
  const known = (await bot.getFile({ id: file.id })).file
  assert.equal(known.status, 'upload_completed')
  assert.equal(known.owner.type, 'bot')
  const again = await bot.upsertFile({ key, size: 3, contentType: 'text/plain' })
  assert.equal(again.file.id, file.id)
  assert.ok(again.file.uploadUrl)
  const wrong = await fetch(again.file.uploadUrl, { method: 'PUT', body: 'four' })
  assert.equal(wrong.status, 413)
  const right = await fetch(again.file.uploadUrl, { method: 'PUT', body: 'abc', headers: { 'x-amz-tagging': 'public=true' } })
  assert.equal(right.status, 200)
  const changed = await bot.updateFileMetadata({ id: file.id, metadata: { a: 1 }, accessPolicies: [] })
  assert.deepEqual(changed.file.metadata, { a: 1 })
  const bare = new URL(changed.file.url)
  assert.equal(await (await fetch(bare)).text(), 'abc')
  bare.search = ''
  assert.equal((await fetch(bare)).status, 404)
  const listed = await bot.listFiles({ tags: { run }, sortField: 'key', sortDirection: 'asc' })
  assert.deepEqual(listed.files.map(({ id }) => id), [file.id])
  assert.deepEqual((await bot.listFiles({ ids: [file.id] })).files.length, 1)
  await bot.deleteFile({ id: file.id })
  await refuses('ResourceNotFound', 404, bot.getFile({ id: file.id }))
  await refuses('PayloadTooLarge', 413, bot.upsertFile({ key: 'big', size: 1e12 }), /size/)
})

group('errors', async () => {
  const wrong = new Client({ apiUrl, token: 'nobody', botId, retry })
  await refuses('Unauthorized', 401, wrong.listUsers({}))
  const other = new Client({ apiUrl, token, botId: 'some-other-bot', retry })
  await refuses('Forbidden', 403, other.listUsers({}))
  const stranger = new Client({ apiUrl, token, botId, integrationId: 'not-installed', retry })
  await refuses('Forbidden', 403, stranger.listUsers({}))
  await refuses('InvalidQuery', 400, bot.listUsers({ nextToken: 'made-up' }), /nextToken/)
  await refuses('InvalidQuery', 400, bot.listConversations({ sortField: 'size' }), /sortField/)
})

const notRun = ['getTask', 'createTask', 'updateTask', 'deleteTask', 'runVrl']
for (const [name, work] of groups) {
  try {
    await work()
  } catch (error) {
    const lines = (error.stack ?? String(error)).split('\n').map((line) => line.slice(0, 300))
    console.error(`not ok ${name}: ${lines.slice(0, 30).join('\n')}`)
    process.exit(1)
  }
  console.log(`ok ${name}`)
}
const runtime = Object.keys(new Client({ apiUrl, token, botId }))
const wanted = runtime.slice(0, runtime.indexOf('runVrl')).filter((name) => !notRun.includes(name))
const missed = wanted.filter((name) => !used.has(name))
assert.deepEqual(missed, [], 'operations that were never called')
console.log(`ok: ${wanted.length} runtime operations of the client, and its files`)
