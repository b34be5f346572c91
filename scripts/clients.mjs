// What OpenAI's JavaScript client expects of a server, asked of a sequencer. Run by clients.sh.
import assert from 'node:assert/strict';
import OpenAI from 'openai';

const client = new OpenAI({ maxRetries: 0 });
const messages = [{ role: 'user', content: 'What is the capital of France?' }];
const ask = { model: 'smollm2', messages, temperature: 0, max_tokens: 40 };

const names = [];
for await (const model of client.models.list()) names.push(model.id);
assert.ok(names.includes('smollm2') && names.includes('minilm'));

const whole = await client.chat.completions.create(ask);
const text = whole.choices[0].message.content;
assert.match(text, /Paris/);
assert.equal(whole.refute.receipt.number, whole.refute.number);

const stream = await client.chat.completions.create({ ...ask, stream: true, stream_options: { include_usage: true } });
let streamed = '';
let last;
let receipts = 0;
for await (const chunk of stream) {
  streamed += chunk.choices[0]?.delta?.content ?? '';
  receipts += chunk.refute ? 1 : 0;
  last = chunk;
}
assert.equal(streamed, text);
assert.equal(receipts, 1);
assert.deepEqual([last.choices, last.usage], [[], whole.usage]);

const helper = client.chat.completions.stream(ask);
assert.equal((await helper.finalChatCompletion()).choices[0].message.content, text);

const left = await client.chat.completions.create({ ...ask, max_tokens: 500, stream: true });
for await (const _ of left) break;

const vectors = await client.embeddings.create({ model: 'minilm', input: 'a cat' });
assert.equal(vectors.data[0].embedding.length, 384);

const refused = async (request, status, param, caller = client) => {
  const error = await caller.chat.completions.create({ ...ask, model: 'echo', ...request }).then(
    () => assert.fail('not refused'),
    (e) => e,
  );
  assert.ok(error instanceof OpenAI.APIError, String(error));
  assert.deepEqual([error.status, error.param], [status, param]);
};
await refused({ model: 'gpt-4' }, 404, 'model');
await refused({ logprobs: true }, 400, 'logprobs');
await refused({}, 401, null, new OpenAI({ maxRetries: 0, apiKey: 'rk-' + '11'.repeat(32) }));
console.log('javascript client: ok');
