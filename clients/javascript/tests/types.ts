// Compiled, not run: what a TypeScript program may write.
import setupAll, { Coney, type Counts, type Message, coneyTest, setup, teardown, withWorld } from '../coney-testing.mjs';

export async function program(test: (name: string, run: () => Promise<void>) => void): Promise<Message[]> {
  await using coney = await Coney.start({ args: ['--log', 'warn'] });
  await using world = await coney.world({ start: new Date(), persona: 'rabbitmq-4.3' });
  await using fault = await world.on('confirm').queue('orders').skip(3).reset();
  await fault.waitFired({ times: 1 });
  const one: Counts = await world.wait({ queue: 'orders', ready: 0, acked: '>=3' });
  const all: Counts = await world.wait({ published: 3, idle: true });
  const each: Record<string, Counts> = await world.wait({ queue: ['a', 'b'], ready: 0 });
  // @ts-expect-error: there is no such count
  await world.wait({ redy: one.ready + all.ready + each.a.ready });
  // @ts-expect-error: nor such a unit
  await world.clock.advance({ fortnights: 1 });
  const { steps } = await world.clock.advance({ minutes: 1 });
  const it = coneyTest(test, { clock: 'real' });
  it(steps[0].queue, async (inner) => void (await inner.idle()));
  const text: string = await withWorld(async (inner) => inner.uri);
  for (const begin of [setup, teardown, setupAll]) await begin();
  return world.messages(text, 'parked');
}
