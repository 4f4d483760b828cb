// What RabbitMQ's tutorials do, done with amqp091-go and checked: tutorials URL VERSION.
//
// With BROKER_RESTART (a command that kills the broker and starts it again) it also gets over a crash in the middle of
// publishing: every message that was confirmed has to be there afterwards.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	answer          = 10 * time.Second
	stuck           = 5 * time.Second
	restartMessages = 300
	beforeRestart   = 100
)

var run = fmt.Sprintf("go-%d", os.Getpid())

func must(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func same(what string, found, expected interface{}) {
	if found != expected {
		log.Panicf("%s: got %v, expected %v", what, found, expected)
	}
}

func channel(connection *amqp.Connection) *amqp.Channel {
	channel, err := connection.Channel()
	must(err)
	return channel
}

// queue declares an exclusive queue; the broker names it if the name is empty.
func queue(channel *amqp.Channel, name string) string {
	queue, err := channel.QueueDeclare(name, false, false, true, false, nil)
	must(err)
	return queue.Name
}

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	must(channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func text(body string) amqp.Publishing {
	return amqp.Publishing{ContentType: "text/plain", Body: []byte(body)}
}

func consume(channel *amqp.Channel, queue string, autoAck bool) <-chan amqp.Delivery {
	deliveries, err := channel.Consume(queue, "", autoAck, false, false, false, nil)
	must(err)
	return deliveries
}

// take gives the next delivery.
func take(deliveries <-chan amqp.Delivery) amqp.Delivery {
	select {
	case delivery, open := <-deliveries:
		same("the consumer is there", open, true)
		return delivery
	case <-time.After(answer):
		log.Panic("no delivery")
		return amqp.Delivery{}
	}
}

func hello(connection *amqp.Connection) {
	channel := channel(connection)
	defer channel.Close()
	queue := queue(channel, run)
	publish(channel, "", queue, text("Hello World!"))
	delivery := take(consume(channel, queue, false))
	must(delivery.Ack(false))
	same("message", string(delivery.Body)+" "+delivery.ContentType, "Hello World! text/plain")
}

// work: what a worker had when its channel closed comes back to another.
func work(connection *amqp.Connection) {
	publisher, first, second := channel(connection), channel(connection), channel(connection)
	defer publisher.Close()
	defer second.Close()
	queue := queue(publisher, run+".work")
	for task := 0; task < 10; task++ {
		publish(publisher, "", queue, text(strconv.Itoa(task)))
	}
	must(first.Qos(1, 0, false))
	held := take(consume(first, queue, false))
	same("first task", string(held.Body), "0")
	must(first.Close())
	must(second.Qos(1, 0, false))
	deliveries := consume(second, queue, false)
	for task := 0; task < 10; task++ {
		delivery := take(deliveries)
		must(delivery.Ack(false))
		same("task", string(delivery.Body), strconv.Itoa(task))
		same("redelivered", delivery.Redelivered, task == 0)
	}
}

func publishSubscribe(connection *amqp.Connection) {
	channel := channel(connection)
	defer channel.Close()
	exchange := run + ".logs"
	must(channel.ExchangeDeclare(exchange, "fanout", false, true, false, false, nil))
	var subscribers []<-chan amqp.Delivery
	for i := 0; i < 2; i++ {
		queue := queue(channel, "")
		must(channel.QueueBind(queue, "", exchange, false, nil))
		subscribers = append(subscribers, consume(channel, queue, true))
	}
	publish(channel, exchange, "", text("to all"))
	for _, subscriber := range subscribers {
		same("message", string(take(subscriber).Body), "to all")
	}
}

func route(connection *amqp.Connection, kind, key string, through, others []string) {
	channel := channel(connection)
	defer channel.Close()
	exchange := run + "." + kind
	must(channel.ExchangeDeclare(exchange, kind, false, true, false, false, nil))
	queue := queue(channel, "")
	must(channel.QueueBind(queue, key, exchange, false, nil))
	for _, routingKey := range append(others, through...) {
		publish(channel, exchange, routingKey, text(routingKey))
	}
	deliveries := consume(channel, queue, true)
	for _, routingKey := range through {
		same("message", string(take(deliveries).Body), routingKey)
	}
}

func rpc(connection *amqp.Connection) {
	server, client := channel(connection), channel(connection)
	defer server.Close()
	defer client.Close()
	requests, replies := queue(server, run+".rpc"), queue(client, "")
	served := consume(server, requests, true)
	answers := map[string]<-chan amqp.Delivery{
		replies:                 consume(client, replies, true),
		"amq.rabbitmq.reply-to": consume(client, "amq.rabbitmq.reply-to", true),
	}
	for number := 1; number <= 5; number++ {
		for replyTo, deliveries := range answers {
			id := strconv.Itoa(number)
			publish(client, "", requests, amqp.Publishing{CorrelationId: id, ReplyTo: replyTo, Body: []byte(id)})
			request := take(served)
			asked, err := strconv.Atoi(string(request.Body))
			must(err)
			body := []byte(strconv.Itoa(2 * asked))
			publish(server, "", request.ReplyTo, amqp.Publishing{CorrelationId: request.CorrelationId, Body: body})
			reply := take(deliveries)
			same("answer", string(reply.Body)+" "+reply.CorrelationId, strconv.Itoa(2*number)+" "+id)
		}
	}
}

func confirms(connection *amqp.Connection) {
	channel := channel(connection)
	defer channel.Close()
	queue, err := channel.QueueDeclare(run+".durable", true, false, false, false, nil)
	must(err)
	must(channel.Confirm(false))
	confirmed := channel.NotifyPublish(make(chan amqp.Confirmation, 200))
	returned := channel.NotifyReturn(make(chan amqp.Return, 1))
	for i := 0; i < 200; i++ {
		publish(channel, "", queue.Name, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte("kept")})
	}
	for i := 0; i < 200; i++ {
		same("confirmed", (<-confirmed).Ack, true)
	}
	must(channel.PublishWithContext(context.Background(), "", run+".nowhere", true, false, text("back")))
	same("return", (<-returned).ReplyCode, uint16(312))
	messages, err := channel.QueueDelete(queue.Name, false, false, false)
	must(err)
	same("messages", messages, 200)
}

// confirmed waits for a confirm, or for the end of the connection: this version of the library then waits for ever.
func confirmed(confirm *amqp.DeferredConfirmation, connection *amqp.Connection) bool {
	acked := make(chan bool, 1)
	go func() { acked <- confirm.Wait() }()
	for {
		select {
		case ok := <-acked:
			return ok
		case <-time.After(50 * time.Millisecond):
			if connection.IsClosed() {
				return false
			}
		}
	}
}

// publishRest publishes until something fails, and tells each confirmed message's number.
func publishRest(url, queue string, number int, each func(int)) {
	connection, err := amqp.Dial(url)
	if err != nil {
		return
	}
	defer connection.Close()
	channel, err := connection.Channel()
	if err != nil {
		return
	}
	if _, err = channel.QueueDeclare(queue, true, false, false, false, nil); err != nil || channel.Confirm(false) != nil {
		return
	}
	for ; number < restartMessages; each(number) {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: strconv.Itoa(number), Body: []byte("kept")}
		confirm, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, false, false, message)
		if err != nil {
			return
		}
		if !confirmed(confirm, connection) {
			return
		}
		number++
	}
}

func reconnect(url, restart string) {
	queue := run + ".crash"
	restarted := make(chan error, 1)
	begun := false
	each := func(number int) {
		if number >= beforeRestart && !begun {
			begun = true
			go func() { restarted <- exec.Command("sh", "-c", restart).Run() }()
		}
	}
	for number := 0; number < restartMessages; time.Sleep(20 * time.Millisecond) {
		progress := make(chan int, restartMessages)
		go func(first int) {
			publishRest(url, queue, first, func(confirmed int) { progress <- confirmed })
			close(progress)
		}(number)
		for goesOn := true; goesOn; {
			select {
			case confirmed, open := <-progress:
				if goesOn = open; open {
					number = confirmed
					each(number)
				}
			case <-time.After(stuck):
				// This version of the library can wait for ever for a connection that is lost.
				goesOn = false
			}
		}
	}
	must(<-restarted)
	connection, err := amqp.Dial(url)
	must(err)
	defer connection.Close()
	channel := channel(connection)
	found := map[string]bool{}
	for {
		message, ok, err := channel.Get(queue, true)
		must(err)
		if !ok {
			break
		}
		found[message.MessageId] = true
	}
	for number := 0; number < restartMessages; number++ {
		same("message "+strconv.Itoa(number), found[strconv.Itoa(number)], true)
	}
	_, err = channel.QueueDelete(queue, false, false, false)
	must(err)
}

func main() {
	url, version := os.Args[1], os.Args[2]
	time.AfterFunc(2*time.Minute, func() { log.Fatal("it took too long") })
	connection, err := amqp.Dial(url)
	must(err)
	hello(connection)
	work(connection)
	publishSubscribe(connection)
	route(connection, "direct", "error", []string{"error"}, []string{"info", "err"})
	route(connection, "topic", "*.critical.#", []string{"kern.critical", "a.critical.b.c"}, []string{"critical", "kern.info"})
	rpc(connection)
	confirms(connection)
	must(connection.Close())
	passed, skipped := 7, " (reconnect skipped)"
	if restart := os.Getenv("BROKER_RESTART"); restart != "" {
		reconnect(url, restart)
		passed, skipped = 8, ""
	}
	fmt.Printf("go amqp091-go %s: %d checks passed%s\n", version, passed, skipped)
}
