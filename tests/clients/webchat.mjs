// Drives the public webchat client against a gateway, with a bot behind it that answers as live-bot.mjs does, and
// checks what comes back. Prints one line per group; the first thing that is wrong ends it with status 1.
//
//   PORTICO_WEBCHAT  address of the webchat API, without the installation (http://127.0.0.1:8091/webchat-api)
//   PORTICO_CLIENT   the installation (site)
//   PORTICO_ADMIN    its admin secret
//   PORTICO_BOT      id of the bot
//   PORTICO_SILENCE  seconds for which nothing is said, to see that the stream lives on (0: left out)

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import * as webchat from '@botpress/webchat-client'

const env = (name, other) => process.env[name] ?? other
const apiUrl = env('PORTICO_WEBCHAT', 'http://127.0.0.1:8091/webchat-api')
const clientId = env('PORTICO_CLIENT', 'site')
const adminSecret = env('PORTICO_ADMIN', 'an admin secret')
const bot = env('PORTICO_BOT', 'support')
const silence = Number(env('PORTICO_SILENCE', '0'))
const at = { apiUrl, clientId }

const refuses = async (type, work) => {
  const error = await work.then(
    () => assert.fail(`${type} was expected, and the call succeeded`),
    (error) => error,
  )
  assert.ok(error instanceof Error && error.id?.startsWith('err_'), JSON.stringify(error))
  assert.equal(error.type, type, error.message)
}

const SIGNALS = [
  'init', 'message_created', 'message_updated', 'message_status_changed', 'typing_started', 'typing_stopped',
  'participant_added', 'participant_removed', 'webchat_visibility', 'webchat_config', 'custom', 'error',
]
const hear = (source) => {
  const heard = []
  const waiting = new Set()
  for (const type of SIGNALS)
    source.on(type, (data) => {
      heard.push({ type, data })
      for (const check of waiting) check()
    })
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
  return { source, heard, wait }
}
const visit = async (more = {}) => {
  const ear = hear(webchat.initialize({ ...at, ...more }))
  const init = await ear.wait('init')
  const client = webchat.createClient({ ...at, userKey: init.user.userKey })
  return { ear, init, client, conversationId: init.conversation.id }
}

const groups = []
const group = (name, work) => groups.push([name, work])

group('a visitor talks with the bot', async () => {
  const { ear, init, client, conversationId } = await visit()
  assert.deepEqual(init.messages, [])
  const started = { conversationId, payload: { type: 'conversation_started', data: {} } }
  const { event } = await client.createEvent(started)
  assert.deepEqual(event.payload, started.payload)
  const clientMessageId = randomUUID()
  const { message } = await client.createMessage({
    conversationId, payload: { type: 'text', text: 'Grüße 👋' }, metadata: { clientMessageId },
  })
  assert.equal(message.metadata.clientMessageId, clientMessageId)
  const own = await ear.wait('message_created', (data) => data.metadata?.clientMessageId === clientMessageId && data.userId === init.user.id)
  assert.deepEqual(own, message)
  const reply = await ear.wait('message_created', (data) => data.userId === bot)
  assert.deepEqual(reply.payload, { type: 'text', text: 'Grüße 👋' })
  await ear.wait('message_status_changed', (data) => data.message.id === message.id && data.newStatus === 'processed')
  const { messages } = await client.listConversationMessages({ conversationId })
  assert.deepEqual(messages, [reply, message])
  // The same visitor comes back.
  const again = await visit({ conversationId, userToken: init.user.userKey })
  assert.equal(again.init.user.id, init.user.id)
  assert.equal(again.conversationId, conversationId)
  assert.deepEqual(again.init.messages, messages)
  again.ear.source.disconnect()
  // Feedback, and what everybody sees of it.
  const feedback = { value: 'positive', comment: 'kind' }
  assert.deepEqual(await client.addMessageFeedback({ messageId: reply.id, ...feedback }), {})
  assert.deepEqual((await ear.wait('message_updated')).feedback, feedback)
  await client.removeMessageFeedback({ messageId: reply.id })
  assert.equal((await client.getMessage({ messageId: reply.id })).message.feedback, undefined)
  const edited = await client.updateMessage({ messageId: message.id, payload: { type: 'text', text: 'hello' } })
  assert.equal(edited.message.payload.text, 'hello')
  await client.deleteMessage({ messageId: message.id })
  await refuses('ResourceNotFound', client.getMessage({ messageId: message.id }))
  ear.source.disconnect()
})

group('every type of message, there and back', async () => {
  const { ear, client, conversationId } = await visit()
  const card = { title: 't', subtitle: 's', actions: [{ action: 'say', label: 'l', value: 'v' }] }
  const options = [{ label: 'a', value: 'b' }]
  const types = [
    { type: 'text', text: 'hi', value: 'v' },
    { type: 'markdown', markdown: '**hi**' },
    { type: 'image', imageUrl: 'https://files.example/a.png' },
    { type: 'audio', audioUrl: 'https://files.example/a.ogg' },
    { type: 'video', videoUrl: 'https://files.example/a.mp4' },
    { type: 'file', fileUrl: 'https://files.example/a.pdf', title: 'a', fileId: 'f' },
    { type: 'location', latitude: 1.5, longitude: -2 },
    { type: 'card', ...card },
    { type: 'carousel', items: [card] },
    { type: 'choice', text: '?', options, disableFreeText: true },
    { type: 'dropdown', text: '?', options },
    { type: 'bloc', items: [{ type: 'text', payload: { text: 'a' } }] },
    { type: 'custom', url: 'https://c.example/c.js', name: 'chart', data: { n: 1 } },
  ]
  for (const payload of types) {
    const { message } = await client.createMessage({ conversationId, payload })
    assert.deepEqual(message.payload, payload)
    const fits = (data) => data.userId === bot && data.payload.type === payload.type
    assert.deepEqual((await ear.wait('message_created', fits)).payload, payload)
  }
  ear.source.disconnect()
})

group('a file goes up and comes down', async () => {
  const { ear, client, conversationId } = await visit()
  const content = 'name,price\ntea,4\n'
  const { file } = await client.createFile({
    key: 'uploads/price list.txt', size: content.length, contentType: 'text/plain', accessPolicies: ['public_content'],
    tags: { source: 'webchat' }, index: false,
  })
  const headers = { 'content-type': 'text/plain', 'x-amz-tagging': 'public=true' }
  const put = await fetch(file.uploadUrl, { method: 'PUT', headers, body: content })
  assert.ok(put.ok, String(put.status))
  assert.equal(await (await fetch(file.url)).text(), content)
  const payload = { type: 'file', fileUrl: file.url, title: 'price list.txt', fileId: file.id }
  await client.createMessage({ conversationId, payload })
  const reply = await ear.wait('message_created', (data) => data.userId === bot)
  assert.equal(reply.payload.fileUrl, file.url)
  await refuses('PayloadTooLarge', client.createFile({ key: 'a.png', size: 1 << 30 }))
  ear.source.disconnect()
})

group('events and commands of the bot', async () => {
  const { ear, client, conversationId } = await visit()
  const data = { name: 'cart', items: 2 }
  const { event } = await client.createEvent({ conversationId, payload: { type: 'custom', data } })
  assert.deepEqual((await client.getEvent({ eventId: event.id })).event, event)
  // The bot answers with an event and opens the widget.
  const { event: answer } = await ear.wait('custom')
  assert.equal(answer.name, 'seen')
  assert.deepEqual(await ear.wait('webchat_visibility'), { visibility: 'show' })
  ear.source.disconnect()
})

group('users', async () => {
  const { user, key } = await webchat.createUser({ ...at, name: 'Ada', userData: { plan: 'pro' } })
  assert.deepEqual([user.name, user.data], ['Ada', { plan: 'pro' }])
  const client = webchat.createClient({ ...at, userKey: key })
  assert.deepEqual((await client.getUser()).user, user)
  const { user: changed } = await client.updateUser({ name: 'Eve', userData: { seats: '5' } })
  assert.deepEqual([changed.name, changed.data], ['Eve', { plan: 'pro', seats: '5' }])
  const made = await webchat.generateUserKey({ ...at, adminSecret, userId: user.id, expiresAt: Date.now() + 60_000 })
  const other = webchat.createClient({ ...at, userKey: made.key })
  assert.equal((await other.getUser()).user.id, user.id)
  await refuses('Unauthorized', webchat.generateUserKey({ ...at, adminSecret: 'wrong', userId: user.id }))
  await refuses('Unauthorized', webchat.createClient({ ...at, userKey: 'nonsense' }).getUser())
  await client.deleteUser({})
  await refuses('Unauthorized', client.getUser())
})

group('conversations and participants', async () => {
  const one = await visit()
  const two = await visit()
  const { conversation } = await one.client.createConversation()
  const conversationId = conversation.id
  const source = one.client.listenConversation({ conversationId })
  const ear = hear(source)
  await new Promise((resolve) => source.on('open', resolve))
  const userId = two.init.user.id
  await refuses('ResourceNotFound', two.client.getConversation({ conversationId }))
  assert.equal((await one.client.addParticipant({ conversationId, userId })).participant.id, userId)
  assert.equal((await ear.wait('participant_added')).participant.id, userId)
  assert.equal((await two.client.getParticipant({ conversationId, userId })).participant.id, userId)
  assert.equal((await two.client.listParticipants({ conversationId })).participants.length, 2)
  await one.client.removeParticipant({ conversationId, userId })
  assert.deepEqual(await ear.wait('participant_removed'), { conversationId, participantId: userId })
  await one.client.createMessage({ conversationId, payload: { type: 'text', text: 'quiet' } })
  const { conversations } = await one.client.listConversations({})
  assert.equal(conversations[0].id, conversationId)
  assert.equal(conversations[0].lastMessage.payload.text, 'quiet')
  source.disconnect()
  assert.deepEqual(await one.client.deleteConversation({ conversationId }), {})
  await refuses('ResourceNotFound', one.client.getConversation({ conversationId }))
  assert.deepEqual(await webchat.sendPerfMetrics(clientId, { duration: 5, event: 'x', properties: {} }, apiUrl), {})
  one.ear.source.disconnect()
  two.ear.source.disconnect()
})

group(`${silence} s of silence`, async () => {
  if (!silence) return
  const { ear, client, conversationId } = await visit()
  await new Promise((resolve) => setTimeout(resolve, silence * 1000))
  assert.equal(ear.heard.length, 1, JSON.stringify(ear.heard))
  const { message } = await client.createMessage({ conversationId, payload: { type: 'text', text: 'quiet at last' } })
  await ear.wait('message_created', ({ id }) => id === message.id)
  ear.source.disconnect()
})

for (const [name, work] of groups) {
  await work()
  console.log(`ok: ${name}`)
}
process.exit(0)
