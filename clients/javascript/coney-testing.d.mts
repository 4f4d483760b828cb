/**
 * Tests that control a Coney broker: worlds, their clocks, faults, exact waiting. One ES module without dependencies, for Node 18 or later.
 *
 *     import { withWorld } from './coney-testing.mjs';
 *
 *     test('an order is tried again after a minute', () => withWorld(async (world) => {
 *       await startMyProgram(world.uri);                      // any AMQP client
 *       await world.wait({ queue: 'orders', delayed: 1 });    // exact, or an error that says what is in the way
 *       await world.clock.advance({ minutes: 1 });            // in a millisecond
 *       await world.idle();
 *     }));
 *
 * The broker of `withWorld` is the one at CONEY_URL, or one that is started: CONEY_BINARY, or `coney` on the PATH. One that is attached to has to
 * run with `--test`. docs/testing.md is the guide.
 */
/** @type {typeof Symbol.asyncDispose} */
declare const asyncDispose: typeof Symbol.asyncDispose;
export type Span = {
    days?: number;
    hours?: number;
    minutes?: number;
    seconds?: number;
    ms?: number;
};
export type Condition = number | string;
export type Countable = 'ready' | 'unacked' | 'delayed' | 'parked' | 'messages' | 'consumers' | 'dead' | 'published' | 'confirmed' | 'returned' | 'delivered' | 'acked' | 'redelivered';
export type Counts = Record<Countable, number>;
export type Wanted = {
    idle?: boolean;
    quietMs?: number;
    withinMs?: number;
} & Partial<Record<Countable, Condition>>;
export type WorldOptions = {
    /**
     * Of its virtual host; one that nothing else has if it is not said.
     */
    name?: string;
    /**
     * `virtual` (the default) stands still until it is moved.
     */
    clock?: 'virtual' | 'real';
    /**
     * What a virtual clock shows at first.
     */
    start?: Date;
    /**
     * The broker that it stands in for, such as `rabbitmq-4.3`.
     */
    persona?: string;
    /**
     * It begins with what this has: see `World.snapshot`.
     */
    snapshot?: string;
    /**
     * It goes by itself if nobody uses it for so many seconds (60; 0: never).
     */
    ttlS?: number;
    /**
     * `false` keeps failures alone in its journal.
     */
    journal?: boolean;
};
export type Step = {
    at: Date;
    queue: string;
    what: string;
    messages: number;
};
export type Moved = {
    now: Date;
    steps: Step[];
};
export type Message = {
    /**
     * Its position, which is its name in the queue.
     */
    id: number;
    /**
     * `ready`, `unacked`, `delayed` or `parked`.
     */
    state: string;
    /**
     * Its content.
     */
    body: Buffer;
    /**
     * The same as UTF-8.
     */
    text: string;
    /**
     * Where it was published to.
     */
    exchange: string;
    /**
     * With which key.
     */
    routingKey: string;
    /**
     * As RabbitMQ's HTTP API shows them.
     */
    properties: Record<string, any>;
    /**
     * Those of the properties.
     */
    headers: Record<string, any>;
    /**
     * Whether it was delivered before.
     */
    redelivered: boolean;
    /**
     * When it is ready again.
     */
    due: Date | null;
    /**
     * Who has it: connection_name, channel, consumer_tag, since.
     */
    holder: Record<string, any> | null;
    /**
     * How often it was tried: deliveries, counted, last_error, ...
     */
    attempts: Record<string, any> | null;
};
export type HistoryStep = {
    at: number;
    what: string;
    sentence: string;
} & Record<string, any>;
export type JournalEvent = {
    number: number;
    at: number;
    what: string;
    sentence: string;
} & Record<string, any>;
export type Finding = {
    rule: string;
    where: string;
    outcome: string;
    fix: string;
    count: number;
} & Record<string, any>;
export type MessageHistory = {
    queue: string | null;
    position: number | null;
    state: string;
    now: string;
    steps: HistoryStep[];
};
/** @typedef {{ days?: number, hours?: number, minutes?: number, seconds?: number, ms?: number }} Span A span of time: the sum of its parts. */
/** @typedef {number | string} Condition A number that has to be met: `3`, `'>=3'` or `'<=3'`. */
/**
 * @typedef {'ready' | 'unacked' | 'delayed' | 'parked' | 'messages' | 'consumers' | 'dead' | 'published' | 'confirmed' | 'returned'
 *   | 'delivered' | 'acked' | 'redelivered'} Countable What is counted.
 */
/** @typedef {Record<Countable, number>} Counts Exact numbers of a queue or a world. */
/**
 * @typedef {{ idle?: boolean, quietMs?: number, withinMs?: number } & Partial<Record<Countable, Condition>>} Wanted What is waited for. `idle`:
 *   nothing is ready, unacked or on its way between queues. `quietMs`: it stays so for that long with nothing happening. `withinMs`: 5000 of
 *   real time, at most 300,000.
 */
/**
 * @typedef {object} WorldOptions What a world is made with.
 * @property {string} [name] Of its virtual host; one that nothing else has if it is not said.
 * @property {'virtual' | 'real'} [clock] `virtual` (the default) stands still until it is moved.
 * @property {Date} [start] What a virtual clock shows at first.
 * @property {string} [persona] The broker that it stands in for, such as `rabbitmq-4.3`.
 * @property {string} [snapshot] It begins with what this has: see `World.snapshot`.
 * @property {number} [ttlS] It goes by itself if nobody uses it for so many seconds (60; 0: never).
 * @property {boolean} [journal] `false` keeps failures alone in its journal.
 */
/** @typedef {{ at: Date, queue: string, what: string, messages: number }} Step What happened by itself while a clock was moved. */
/** @typedef {{ now: Date, steps: Step[] }} Moved What a clock shows after it was moved, and what happened on the way. */
/**
 * @typedef {object} Message A message as it is in a queue.
 * @property {number} id Its position, which is its name in the queue.
 * @property {string} state `ready`, `unacked`, `delayed` or `parked`.
 * @property {Buffer} body Its content.
 * @property {string} text The same as UTF-8.
 * @property {string} exchange Where it was published to.
 * @property {string} routingKey With which key.
 * @property {Record<string, any>} properties As RabbitMQ's HTTP API shows them.
 * @property {Record<string, any>} headers Those of the properties.
 * @property {boolean} redelivered Whether it was delivered before.
 * @property {Date | null} due When it is ready again.
 * @property {Record<string, any> | null} holder Who has it: connection_name, channel, consumer_tag, since.
 * @property {Record<string, any> | null} attempts How often it was tried: deliveries, counted, last_error, ...
 */
/** @typedef {{ at: number, what: string, sentence: string } & Record<string, any>} HistoryStep A step of a message's way. */
/** @typedef {{ number: number, at: number, what: string, sentence: string } & Record<string, any>} JournalEvent As in docs/journal.md. */
/** @typedef {{ rule: string, where: string, outcome: string, fix: string, count: number } & Record<string, any>} Finding Of the linter. */
/** @typedef {{ queue: string | null, position: number | null, state: string, now: string, steps: HistoryStep[] }} MessageHistory A message's way. */
/** Something that the broker, or this library, could not do. */
export declare class ConeyError extends Error {
    name: string;
}
/** The broker did not start; the text has the end of its log. */
export declare class StartError extends ConeyError {
    name: string;
}
/** The broker refused a request. */
export declare class RequestError extends ConeyError {
    status: number;
    reason: string;
    name: string;
    /**
     * @param {number} status
     * @param {string} reason
     * @param {string} request
     */
    constructor(status: number, reason: string, request: string);
}
/** What was waited for did not come. The text says what is in the way: who has which messages, and for how long. */
export declare class WaitTimeout extends ConeyError {
    why: string[];
    counts: any;
    name: string;
    /**
     * @param {string} wanted
     * @param {string[]} why What is in the way, a line each.
     * @param {any} counts As they were when the time was over.
     */
    constructor(wanted: string, why: string[], counts: any);
}
/** A broker that was started with `--test`. Use `start` or `attach`. */
export declare class Coney {
    #private;
    /**
     * @param {string} url
     * @param {{ amqp?: string, child?: import('node:child_process').ChildProcess }} [options]
     */
    constructor(url: string, { amqp, child }?: {
        amqp?: string;
        child?: import('node:child_process').ChildProcess;
    });
    /**
     * Starts a broker in memory on free ports of this machine. It ends with `close`, or with this program, which it does not keep alive.
     *
     * `binary` is by default what CONEY_BINARY says, or `coney` on the PATH. `args` are more flags of `coney`; with `--data-dir` it is on disk.
     *
     * @param {{ binary?: string, args?: string[], withinMs?: number }} [options]
     * @returns {Promise<Coney>}
     */
    static start({ binary, args, withinMs }?: {
        binary?: string;
        args?: string[];
        withinMs?: number;
    }): Promise<Coney>;
    /**
     * Uses a broker that runs. `url` is where its management API is, with a user who is an administrator.
     *
     * `amqp` is where clients find it, such as `amqp://guest:guest@localhost:5673`, if that is not the host of `url` with the broker's own port: with
     * ports of a container that are mapped to others.
     *
     * @param {string} [url]
     * @param {{ amqp?: string }} [options]
     * @returns {Promise<Coney>}
     */
    static attach(url?: string, { amqp }?: {
        amqp?: string;
    }): Promise<Coney>;
    /** Where its management API is, without user and password. */
    get url(): string;
    /**
     * Makes a world: a virtual host of its own. `await using` deletes it at the end of a block, as `delete` does.
     *
     * @param {WorldOptions} [options]
     * @returns {Promise<World>}
     */
    world({ name, clock, start, persona, snapshot, ttlS, journal }?: WorldOptions): Promise<World>;
    /**
     * All worlds that the broker has, as it shows them.
     *
     * @returns {Promise<Record<string, any>[]>}
     */
    worlds(): Promise<Record<string, any>[]>;
    /** Stops the broker if it was started here. */
    close(): Promise<void>;
    [asyncDispose](): Promise<void>;
    /**
     * A request to `/api/coney/PATH`, for what there is no function for.
     *
     * @param {string} method
     * @param {string} path
     * @param {{ query?: [string, string][], body?: unknown, timeoutMs?: number }} [options]
     * @returns {Promise<any>}
     */
    request(method: string, path: string, { query, body, timeoutMs }?: {
        query?: [string, string][];
        body?: unknown;
        timeoutMs?: number;
    }): Promise<any>;
}
/** A virtual host that a test controls. `Coney.world` makes one. */
export declare class World {
    #private;
    /** The virtual host. */
    name: string;
    /** Where AMQP clients find it. */
    uri: string;
    /** Its clock. */
    clock: Clock;
    /**
     * @param {Coney} coney
     * @param {string} name
     * @param {string} uri
     */
    constructor(coney: Coney, name: string, uri: string);
    /**
     * Begins a rule for a fault: `await world.on('confirm').queue('orders').skip(3).reset()`. It hits the first event if nothing else is said.
     *
     * Events are `connect`, `open`, `publish`, `confirm`, `deliver`, `ack`, a method such as `queue.declare` or `declare`, and `time`, with
     * `everyMs` of the world's clock.
     *
     * @param {string} event
     * @param {{ everyMs?: number }} [options]
     */
    on(event: string, { everyMs }?: {
        everyMs?: number;
    }): FaultBuilder;
    /** Begins a rule for what is so until it is removed: `block`, `pause`, `slow`, `silence`. */
    always(): FaultBuilder;
    /**
     * All rules of the world, in the order in which they were made.
     *
     * @returns {Promise<Fault[]>}
     */
    faults(): Promise<Fault[]>;
    /** Removes all rules. */
    clearFaults(): Promise<void>;
    /**
     * Keeps queues, exchanges, bindings and all messages, as they are now, under this name for `coney.world({ snapshot: name })`.
     *
     * @param {string} name
     */
    snapshot(name: string): Promise<void>;
    /** What a SIGKILL and a start of the broker would do, to this world alone. */
    restart(): Promise<void>;
    wait(wanted: Wanted & {
        queue?: string;
    }): Promise<Counts>;
    wait(wanted: Wanted & {
        queue: string[];
    }): Promise<Record<string, Counts>>;
    /**
     * Waits until nothing is ready, unacked or on its way between queues.
     *
     * @param {{ queue?: string, quietMs?: number, withinMs?: number }} [options]
     * @returns {Promise<Counts>}
     * @throws {WaitTimeout}
     */
    idle(options?: {
        queue?: string;
        quietMs?: number;
        withinMs?: number;
    }): Promise<Counts>;
    /**
     * Exact numbers of a queue, or of the whole world, as they are now.
     *
     * @param {string} [queue]
     * @returns {Promise<Counts>}
     */
    counts(queue?: string): Promise<Counts>;
    /**
     * Messages of a queue that are in a state, as they are. Looking changes nothing.
     *
     * @param {string} queue
     * @param {'ready' | 'unacked' | 'delayed' | 'parked'} [state]
     * @param {number} [limit]
     * @returns {Promise<Message[]>}
     */
    messages(queue: string, state?: 'ready' | 'unacked' | 'delayed' | 'parked', limit?: number): Promise<Message[]>;
    /**
     * What happened, oldest first. `wanted` narrows it: `what`, `queue`, `message_id`, `consumer`, `contains`, ... Each event is as in docs/journal.md;
     * `sentence` is for people, `number` is for `after`.
     *
     * @param {{ after?: number } & Record<string, string | number>} [wanted]
     * @returns {Promise<JournalEvent[]>}
     */
    journal({ after, ...wanted }?: {
        after?: number;
    } & Record<string, string | number>): Promise<JournalEvent[]>;
    /**
     * The last things that happened, a line each.
     *
     * @param {number} [lines]
     * @returns {Promise<string>}
     */
    journalTail(lines?: number): Promise<string>;
    /**
     * The way of messages, with their copies in other queues: by the message's id, its place, or what its body contains.
     *
     * @param {{ message_id?: string, queue?: string, position?: number, contains?: string }} which
     * @returns {Promise<MessageHistory[]>}
     */
    history(which: {
        message_id?: string;
        queue?: string;
        position?: number;
        contains?: string;
    }): Promise<MessageHistory[]>;
    /**
     * What clients did here that another broker (`rabbitmq-4.3`) refuses or does otherwise, with what to do instead. Empty: portable.
     *
     * @param {string} [target]
     * @returns {Promise<Finding[]>}
     */
    lint(target?: string): Promise<Finding[]>;
    /** Deletes the world with all that is in it; its connections are closed. Nothing happens if it is gone. */
    delete(): Promise<void>;
    [asyncDispose](): Promise<void>;
    /**
     * A request to `/api/coney/worlds/NAME` and PATH, for what there is no function for.
     *
     * @param {string} method
     * @param {string} path
     * @param {{ query?: [string, string][], body?: unknown, timeoutMs?: number }} [options]
     * @returns {Promise<any>}
     */
    request(method: string, path: string, options?: {
        query?: [string, string][];
        body?: unknown;
        timeoutMs?: number;
    }): Promise<any>;
}
/**
 * The clock of a world. A virtual one stands still until it is moved, and goes forward alone.
 *
 * It goes from timer to timer, and each move returns when the broker has done all that follows. What consumers then do takes real time: wait for that.
 * Heartbeats and the timers of client libraries do not follow it.
 */
export declare class Clock {
    #private;
    /** @param {World} world */
    constructor(world: World);
    /**
     * What it shows.
     *
     * @returns {Promise<Date>}
     */
    now(): Promise<Date>;
    /**
     * When something happens next by itself, and in which queue.
     *
     * @returns {Promise<{ at: Date, queue: string } | null>}
     */
    next(): Promise<{
        at: Date;
        queue: string;
    } | null>;
    /**
     * Moves it by that much: `world.clock.advance({ minutes: 5 })`.
     *
     * @param {Span} span
     * @param {{ maxSteps?: number }} [options]
     */
    advance(span: Span, { maxSteps }?: {
        maxSteps?: number;
    }): Promise<Moved>;
    /**
     * Moves it to that time.
     *
     * @param {Date} then
     * @param {{ maxSteps?: number }} [options]
     */
    to(then: Date, { maxSteps }?: {
        maxSteps?: number;
    }): Promise<Moved>;
    /** Moves it to when something happens next by itself. */
    toNext(): Promise<Moved>;
    /**
     * Moves it until nothing is to come by itself.
     *
     * @param {{ maxSteps?: number }} [options]
     */
    untilIdle({ maxSteps }?: {
        maxSteps?: number;
    }): Promise<Moved>;
}
/** A rule that is being made. An action (`reset`, `drop`, ...) ends it, and puts it in force. */
export declare class FaultBuilder {
    #private;
    /**
     * @param {World} world
     * @param {Record<string, any>} rule
     */
    constructor(world: World, rule: Record<string, any>);
    /** Only for queues like this: `*` is any run of characters, `?` any one. @param {string} pattern */
    queue(pattern: string): FaultBuilder;
    /** Only for exchanges like this. @param {string} pattern */
    exchange(pattern: string): FaultBuilder;
    /** Only for routing keys like this. @param {string} pattern */
    routingKey(pattern: string): FaultBuilder;
    /** Only for connections that their clients named like this, or with such an address. @param {string} pattern */
    connection(pattern: string): FaultBuilder;
    /** Only for consumers with a tag like this. @param {string} pattern */
    consumerTag(pattern: string): FaultBuilder;
    /** Only for messages with an id like this. @param {string} pattern */
    messageId(pattern: string): FaultBuilder;
    /**
     * Only for messages with such a header.
     *
     * @param {string} name
     * @param {string} pattern
     */
    header(name: string, pattern: string): FaultBuilder;
    /**
     * Only for what is like this there. Other fields are `user`, `channel`, `app_id`.
     *
     * @param {string} field
     * @param {string} pattern
     */
    match(field: string, pattern: string): FaultBuilder;
    /** Lets so many pass first. @param {number} events */
    skip(events: number): FaultBuilder;
    /** Hits so many; 0: all, until it is removed. @param {number} events */
    times(events: number): FaultBuilder;
    /**
     * Hits one in so many, by chance that begins with this seed.
     *
     * @param {number} events
     * @param {number} [seed]
     */
    oneIn(events: number, seed?: number): FaultBuilder;
    /** Lets it not happen, and tells nobody. */
    drop(): Promise<Fault>;
    /** Resets the connection's socket. */
    reset(): Promise<Fault>;
    /**
     * Closes the connection.
     *
     * @param {number} [code]
     * @param {string} [text]
     */
    close(code?: number, text?: string): Promise<Fault>;
    /** Closes all connections of the world. */
    closeAll(): Promise<Fault>;
    /**
     * The error with this code: of a channel or a connection, as the code says.
     *
     * @param {number} code
     * @param {string} [text]
     */
    refuse(code: number, text?: string): Promise<Fault>;
    /** Keeps the socket open, and reads and writes nothing: the half-dead peer. */
    silence(): Promise<Fault>;
    /** Lets it happen later. @param {Span} span */
    delay(span: Span): Promise<Fault>;
    /** Tells the publisher that its message was refused. */
    nack(): Promise<Fault>;
    /** Gives a publish back as unroutable. */
    return(): Promise<Fault>;
    /** Lets it happen twice. */
    duplicate(): Promise<Fault>;
    /** Changes the first byte of a delivery's body. */
    corrupt(): Promise<Fault>;
    /** Delivers it after the next `count - 1` of its consumer. @param {number} [count] */
    reorder(count?: number): Promise<Fault>;
    /** Delivers an acked message again, as a crash right after the ack would. */
    redeliver(): Promise<Fault>;
    /** Blocks publishers, for this reason. @param {string} [reason] */
    block(reason?: string): Promise<Fault>;
    /** Lets queues deliver nothing. */
    pause(): Promise<Fault>;
    /** Reads and writes no more than so many bytes a second. @param {number} bytesPerS */
    slow(bytesPerS: number): Promise<Fault>;
    /** Restarts the world, as `World.restart`. */
    restart(): Promise<Fault>;
    /**
     * Puts the rule in force with this action, by the name that the HTTP API has for it.
     *
     * @param {string} action
     * @param {Record<string, unknown>} [more]
     * @returns {Promise<Fault>}
     */
    act(action: string, more?: Record<string, unknown>): Promise<Fault>;
}
/** A rule that is in force, until it is removed, `await using` ends, or the world goes. */
export declare class Fault {
    #private;
    id: string;
    /** What it is, in a few words. */
    text: string;
    /**
     * @param {World} world
     * @param {{ id: string, text?: string }} shown
     */
    constructor(world: World, shown: {
        id: string;
        text?: string;
    });
    /**
     * How many events it has hit.
     *
     * @returns {Promise<number>}
     */
    fired(): Promise<number>;
    /**
     * How many events it has looked at that are like it says.
     *
     * @returns {Promise<number>}
     */
    seen(): Promise<number>;
    /**
     * Waits until it has hit so many events.
     *
     * @param {{ times?: number, withinMs?: number }} [options]
     * @throws {WaitTimeout}
     */
    waitFired({ times, withinMs }?: {
        times?: number;
        withinMs?: number;
    }): Promise<void>;
    /** Removes it. Nothing happens if it is gone. */
    remove(): Promise<void>;
    [asyncDispose](): Promise<void>;
}
/**
 * The broker that `withWorld` uses: that at CONEY_URL (and CONEY_AMQP_URL), or one that is started, once.
 *
 * @returns {Promise<Coney>}
 */
export declare function sharedConey(): Promise<Coney>;
/**
 * Runs a test with a world of its own, which has a virtual clock if `options` does not say another. If it fails, what happened last in the world is
 * printed. The world is deleted in any case.
 *
 * @template T
 * @param {(world: World) => Promise<T> | T} run
 * @param {WorldOptions} [options]
 * @returns {Promise<T>}
 */
export declare function withWorld<T>(run: (world: World) => Promise<T> | T, options?: WorldOptions): Promise<T>;
/**
 * Makes a test function of vitest, jest or node:test one whose tests get a world: `const it = coneyTest(test); it('retries', async (world) => {})`.
 *
 * @template R
 * @param {(name: string, run: () => Promise<void>) => R} test
 * @param {WorldOptions} [options]
 * @returns {(name: string, run: (world: World) => Promise<void> | void) => R}
 */
export declare function coneyTest<R>(test: (name: string, run: () => Promise<void>) => R, options?: WorldOptions): (name: string, run: (world: World) => Promise<void> | void) => R;
/**
 * One broker for all test files: `globalSetup: ['coney-testing.mjs']` of vitest or jest. Those run files in processes of their own, and each would
 * start one.
 */
export declare function setup(): Promise<void>;
/** Ends what `setup` began. */
export declare function teardown(): Promise<void>;
export default function globalSetup(): Promise<typeof teardown>;
export {};
