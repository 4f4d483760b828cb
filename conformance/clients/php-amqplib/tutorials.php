<?php
// What RabbitMQ's tutorials do, done with php-amqplib and checked: tutorials.php URL VERSION.
//
// With BROKER_RESTART (a command that kills the broker and starts it again) it also gets over a crash in the middle of
// publishing: every message that was confirmed has to be there afterwards.

require_once '/usr/share/php/PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Message\AMQPMessage;

const ANSWER_S = 10;
const RESTART_MESSAGES = 300;
const BEFORE_RESTART = 100;
set_time_limit(60);
$run = 'php-' . bin2hex(random_bytes(4));

function same(string $what, $found, $expected): void
{
    if ($found !== $expected) {
        fwrite(STDERR, "$what: got " . var_export($found, true) . ', expected ' . var_export($expected, true) . "\n");
        exit(1);
    }
}

function connect(string $url): AMQPStreamConnection
{
    $at = parse_url($url);
    return new AMQPStreamConnection($at['host'], $at['port'], $at['user'], $at['pass']);
}

/** An exclusive queue; the broker names it if the name is empty. */
function queue(AMQPChannel $channel, string $name): string
{
    return $channel->queue_declare($name, false, false, true, false)[0];
}

/** Deliveries of a consumer, as they come. */
function consume(AMQPChannel $channel, string $queue, bool $noAck): ArrayObject
{
    $deliveries = new ArrayObject();
    $channel->basic_consume($queue, '', false, $noAck, false, false, function ($message) use ($deliveries) {
        $deliveries->append($message);
    });
    return $deliveries;
}

function take(AMQPChannel $channel, ArrayObject $deliveries): AMQPMessage
{
    while (count($deliveries) === 0) {
        $channel->wait(null, false, ANSWER_S);
    }
    $all = $deliveries->getArrayCopy();
    $first = array_shift($all);
    $deliveries->exchangeArray($all);
    return $first;
}

function hello($connection, string $run): void
{
    $channel = $connection->channel();
    $queue = queue($channel, $run);
    $channel->basic_publish(new AMQPMessage('Hello World!', ['content_type' => 'text/plain']), '', $queue);
    $message = take($channel, consume($channel, $queue, false));
    $message->ack();
    same('message', [$message->getBody(), $message->get('content_type')], ['Hello World!', 'text/plain']);
    $channel->close();
}

/** What a worker had when its channel closed comes back to another. */
function work($connection, string $run): void
{
    [$channel, $first, $second] = [$connection->channel(), $connection->channel(), $connection->channel()];
    $queue = queue($channel, "$run.work");
    for ($task = 0; $task < 10; $task++) {
        $channel->basic_publish(new AMQPMessage((string) $task), '', $queue);
    }
    $first->basic_qos(0, 1, false);
    same('first task', take($first, consume($first, $queue, false))->getBody(), '0');
    $first->close();
    $second->basic_qos(0, 1, false);
    $deliveries = consume($second, $queue, false);
    for ($task = 0; $task < 10; $task++) {
        $message = take($second, $deliveries);
        $message->ack();
        same('task', [$message->getBody(), $message->isRedelivered()], [(string) $task, $task === 0]);
    }
    $channel->close();
    $second->close();
}

function publish_subscribe($connection, string $run): void
{
    $channel = $connection->channel();
    $channel->exchange_declare("$run.logs", 'fanout', false, false, true);
    $subscribers = [];
    for ($i = 0; $i < 2; $i++) {
        $queue = queue($channel, '');
        $channel->queue_bind($queue, "$run.logs");
        $subscribers[] = consume($channel, $queue, true);
    }
    $channel->basic_publish(new AMQPMessage('to all'), "$run.logs");
    foreach ($subscribers as $subscriber) {
        same('message', take($channel, $subscriber)->getBody(), 'to all');
    }
    $channel->close();
}

function route($connection, string $run, string $type, string $key, array $through, array $others): void
{
    $channel = $connection->channel();
    $channel->exchange_declare("$run.$type", $type, false, false, true);
    $queue = queue($channel, '');
    $channel->queue_bind($queue, "$run.$type", $key);
    foreach (array_merge($others, $through) as $routingKey) {
        $channel->basic_publish(new AMQPMessage($routingKey), "$run.$type", $routingKey);
    }
    $deliveries = consume($channel, $queue, true);
    foreach ($through as $routingKey) {
        same('message', take($channel, $deliveries)->getBody(), $routingKey);
    }
    $channel->close();
}

function rpc($connection, string $run): void
{
    [$server, $client] = [$connection->channel(), $connection->channel()];
    $requests = queue($server, "$run.rpc");
    $served = consume($server, $requests, true);
    $replies = queue($client, '');
    $answers = [
        $replies => consume($client, $replies, true),
        'amq.rabbitmq.reply-to' => consume($client, 'amq.rabbitmq.reply-to', true),
    ];
    foreach ($answers as $replyTo => $deliveries) {
        for ($number = 1; $number <= 5; $number++) {
            $asking = ['correlation_id' => "id $number", 'reply_to' => $replyTo];
            $client->basic_publish(new AMQPMessage((string) $number, $asking), '', $requests);
            $request = take($server, $served);
            $answering = ['correlation_id' => $request->get('correlation_id')];
            $doubled = (string) (2 * (int) $request->getBody());
            $server->basic_publish(new AMQPMessage($doubled, $answering), '', $request->get('reply_to'));
            $answer = take($client, $deliveries);
            same('answer', [$answer->getBody(), $answer->get('correlation_id')], [(string) (2 * $number), "id $number"]);
        }
    }
    $server->close();
    $client->close();
}

function confirms($connection, string $run): void
{
    $channel = $connection->channel();
    $channel->confirm_select();
    $queue = "$run.durable";
    $channel->queue_declare($queue, false, true, false, false);
    $acked = 0;
    $channel->set_ack_handler(function () use (&$acked) {
        $acked++;
    });
    for ($i = 0; $i < 200; $i++) {
        $kept = new AMQPMessage('kept', ['delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT]);
        $channel->basic_publish($kept, '', $queue);
    }
    $channel->wait_for_pending_acks(ANSWER_S);
    same('confirmed', $acked, 200);
    $returned = null;
    $channel->set_return_listener(function ($code) use (&$returned) {
        $returned = $code;
    });
    $channel->basic_publish(new AMQPMessage('back'), '', "$run.nowhere", true);
    $channel->wait_for_pending_acks_returns(ANSWER_S);
    same('return', $returned, 312);
    same('messages', $channel->queue_delete($queue), 200);
    $channel->close();
}

/** Publishes until something fails; the number of messages that are confirmed. */
function publish_rest(string $url, string $queue, int $number, callable $each): int
{
    try {
        $channel = connect($url)->channel();
        $channel->confirm_select();
        $channel->queue_declare($queue, false, true, false, false);
        while ($number < RESTART_MESSAGES) {
            $properties = ['delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT, 'message_id' => (string) $number];
            $channel->basic_publish(new AMQPMessage('kept', $properties), '', $queue);
            $channel->wait_for_pending_acks(ANSWER_S);
            $number++;
            $each($number);
        }
    } catch (Exception $lost) {
        // Whatever it was: what is not confirmed is published again.
        usleep(20000);
    }
    return $number;
}

function reconnect(string $url, string $run, string $restart): void
{
    $restarting = null;
    $each = function (int $number) use (&$restarting, $restart) {
        if ($number >= BEFORE_RESTART && $restarting === null) {
            $restarting = proc_open(['sh', '-c', $restart], [], $pipes);
        }
    };
    for ($number = 0; $number < RESTART_MESSAGES;) {
        $number = publish_rest($url, "$run.crash", $number, $each);
    }
    same('status of the restart', proc_close($restarting), 0);
    $channel = connect($url)->channel();
    $found = [];
    while ($message = $channel->basic_get("$run.crash", true)) {
        $found[(int) $message->get('message_id')] = true;
    }
    $channel->queue_delete("$run.crash");
    same('confirmed and lost', array_diff(range(0, RESTART_MESSAGES - 1), array_keys($found)), []);
}

[, $url, $version] = $argv;
$connection = connect($url);
hello($connection, $run);
work($connection, $run);
publish_subscribe($connection, $run);
route($connection, $run, 'direct', 'error', ['error'], ['info', 'err']);
route($connection, $run, 'topic', '*.critical.#', ['kern.critical', 'a.critical.b.c'], ['critical', 'kern.info']);
rpc($connection, $run);
confirms($connection, $run);
$connection->close();
$restart = getenv('BROKER_RESTART');
if ($restart) {
    reconnect($url, $run, $restart);
}
[$passed, $skipped] = $restart ? [8, ''] : [7, ' (reconnect skipped)'];
echo "php-amqplib $version: $passed checks passed$skipped\n";
