// The management API through rabbit-hole, whose answers have types: check HTTP-URL AMQP-URL VERSION. What is made is in a virtual
// host of its own, and is deleted.
package main

import (
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	rabbithole "github.com/michaelklishin/rabbit-hole/v3"
	amqp "github.com/rabbitmq/amqp091-go"
)

// RabbitMQ counts in intervals of some seconds.
const (
	patience = 30 * time.Second
	pause    = 200 * time.Millisecond
)

var (
	run   = fmt.Sprintf("rabbit-hole-%d", os.Getpid())
	vhost = run + "/v"
	user  = run + " u"
)

func must(err error) {
	if err != nil {
		log.Panic(err)
	}
}

func same(what string, found, expected interface{}) {
	if !reflect.DeepEqual(found, expected) {
		log.Panicf("%s: got %#v, expected %#v", what, found, expected)
	}
}

// done looks at the status of a change.
func done(what string, status int) func(*http.Response, error) {
	return func(answer *http.Response, err error) {
		must(err)
		same(what, answer.StatusCode, status)
	}
}

// refused looks at a change or a question that is not to be.
func refused(what string, err error, status int) {
	answer, isAnswer := err.(rabbithole.ErrorResponse)
	same(what+" is refused", isAnswer, true)
	same(what, answer.StatusCode, status)
	same(what+" says why", answer.Message != "" && answer.Reason != "", true)
}

// eventually waits for what RabbitMQ counts.
func eventually(what string, holds func() bool) {
	for end := time.Now().Add(patience); !holds(); time.Sleep(pause) {
		if time.Now().After(end) {
			log.Panicf("%s: not within %s", what, patience)
		}
	}
}

func about(client *rabbithole.Client) (major, minor int) {
	overview, err := client.Overview()
	must(err)
	same("the node's name", strings.HasPrefix(overview.Node, "rabbit@") || strings.Contains(overview.Node, "@"), true)
	same("versions", overview.ManagementVersion != "" && overview.ErlangVersion != "", true)
	same("exchange types", len(overview.ExchangeTypes) >= 4, true)
	same("contexts", len(overview.Contexts) >= 1, true)
	ports, err := client.ProtocolPorts()
	must(err)
	same("a port of AMQP", ports["amqp"] > 0, true)
	protocols, err := client.EnabledProtocols()
	must(err)
	same("protocols", contains(protocols, "amqp") && contains(protocols, "http"), true)
	who, err := client.Whoami()
	must(err)
	same("who", who.Name, "guest")
	same("tags", who.Tags, rabbithole.UserTags{"administrator"})
	nodes, err := client.ListNodes()
	must(err)
	same("nodes", len(nodes), 1)
	node, err := client.GetNode(nodes[0].Name)
	must(err)
	same("node", node.Name, overview.Node)
	pid, err := strconv.Atoi(string(node.OsPid))
	must(err)
	same("pid", pid > 0 && node.IsRunning && node.Uptime > 0, true)
	same("memory", node.MemUsed > 0 && !node.MemAlarm && node.FdTotal > 0 && node.DiskFree > 0, true)
	same("partitions", len(node.Partitions), 0)
	name, err := client.GetClusterName()
	must(err)
	same("a cluster's name", name.Name != "", true)
	flags, err := client.ListFeatureFlags()
	must(err)
	same("feature flags", len(flags) > 0 && flags[0].Name != "" && flags[0].State != "", true)
	_, err = fmt.Sscanf(overview.RabbitMQVersion, "%d.%d", &major, &minor)
	must(err)
	return major, minor
}

func contains(texts []string, wanted string) bool {
	for _, text := range texts {
		if text == wanted {
			return true
		}
	}
	return false
}

func vhosts(client *rabbithole.Client) {
	settings := rabbithole.VhostSettings{Description: "for a test", Tags: rabbithole.VhostTags{"a", "b"}}
	done("a vhost is made", http.StatusCreated)(client.PutVhost(vhost, settings))
	done("and made again", http.StatusNoContent)(client.PutVhost(vhost, settings))
	found, err := client.GetVhost(vhost)
	must(err)
	same("description", found.Description, "for a test")
	same("tags", found.Tags, settings.Tags)
	same("tracing", found.Tracing, false)
	all, err := client.ListVhosts()
	must(err)
	same("vhosts", len(all) >= 2, true)
	_, err = client.GetVhost(run + "-none")
	refused("an unknown vhost", err, http.StatusNotFound)
	limits, err := client.GetVhostLimits(vhost)
	must(err)
	same("no limits", len(limits), 0)
	values := rabbithole.VhostLimitsValues{"max-connections": 40, "max-queues": 50}
	_, err = client.PutVhostLimits(vhost, values)
	must(err)
	limits, err = client.GetVhostLimits(vhost)
	must(err)
	same("limits", limits, []rabbithole.VhostLimitsInfo{{Vhost: vhost, Value: values}})
	_, err = client.DeleteVhostLimits(vhost, rabbithole.VhostLimits{"max-connections", "max-queues"})
	must(err)
}

func users(client *rabbithole.Client) {
	settings := rabbithole.UserSettings{Password: "secret", Tags: rabbithole.UserTags{"management", "policymaker"}}
	done("a user is made", http.StatusCreated)(client.PutUser(user, settings))
	found, err := client.GetUser(user)
	must(err)
	same("tags", found.Tags, settings.Tags)
	same("a hash", found.PasswordHash != "" && found.HashingAlgorithm != "", true)
	without, err := client.ListUsersWithoutPermissions()
	must(err)
	same("without permissions", hasUser(without, user), true)
	_, err = client.GetPermissionsIn(vhost, user)
	refused("a permission that is not there", err, http.StatusNotFound)
	permissions := rabbithole.Permissions{Configure: "^a", Write: ".*", Read: ""}
	done("a permission", http.StatusCreated)(client.UpdatePermissionsIn(vhost, user, permissions))
	info, err := client.GetPermissionsIn(vhost, user)
	must(err)
	same("permission", info, rabbithole.PermissionInfo{User: user, Vhost: vhost, Configure: "^a", Write: ".*", Read: ""})
	topics := rabbithole.TopicPermissions{Exchange: "amq.topic", Write: "^a", Read: "^b"}
	done("a topic permission", http.StatusCreated)(client.UpdateTopicPermissionsIn(vhost, user, topics))
	ofTopics, err := client.ListTopicPermissionsOf(user)
	must(err)
	same("topic permissions", ofTopics, []rabbithole.TopicPermissionInfo{
		{User: user, Vhost: vhost, Exchange: "amq.topic", Write: "^a", Read: "^b"}})
	done("no topic permission", http.StatusNoContent)(client.DeleteTopicPermissionsIn(vhost, user, "amq.topic"))
	values := rabbithole.UserLimitsValues{"max-connections": 3, "max-channels": 4}
	_, err = client.PutUserLimits(user, values)
	must(err)
	limits, err := client.GetUserLimits(user)
	must(err)
	same("limits", limits, []rabbithole.UserLimitsInfo{{User: user, Value: values}})
	done("no permission", http.StatusNoContent)(client.ClearPermissionsIn(vhost, user))
	own, err := rabbithole.NewClient(client.Endpoint, user, "secret")
	must(err)
	who, err := own.Whoami()
	must(err)
	same("who", who.Name, user)
	_, err = own.ListUsers()
	same("no administrator", err != nil && strings.Contains(err.Error(), "401"), true)
	done("users are deleted", http.StatusNoContent)(client.BulkDeleteUsers([]string{user}))
	_, err = client.GetUser(user)
	refused("a user that was deleted", err, http.StatusNotFound)
}

func hasUser(users []rabbithole.UserInfo, name string) bool {
	for _, user := range users {
		if user.Name == name {
			return true
		}
	}
	return false
}

func topology(client *rabbithole.Client) {
	arguments := map[string]interface{}{"x-max-length": float64(5)}
	done("a queue", http.StatusCreated)(client.DeclareQueue(vhost, "q 1",
		rabbithole.QueueSettings{Type: "classic", Durable: true, Arguments: arguments}))
	_, err := client.DeclareQueue(vhost, "q 1", rabbithole.QueueSettings{Type: "classic"})
	refused("another queue of that name", err, http.StatusBadRequest)
	done("an exchange", http.StatusCreated)(client.DeclareExchange(vhost, "x", rabbithole.ExchangeSettings{Type: "topic", Durable: true}))
	done("another", http.StatusCreated)(client.DeclareExchange(vhost, "y", rabbithole.ExchangeSettings{Type: "fanout"}))
	exchange, err := client.GetExchange(vhost, "x")
	must(err)
	same("exchange", exchange.Type == "topic" && exchange.Durable && !exchange.Internal, true)
	exchanges, err := client.ListExchangesIn(vhost)
	must(err)
	same("exchanges", len(exchanges) >= 9, true)
	bind(client)
	queue, err := client.GetQueue(vhost, "q 1")
	must(err)
	same("queue", []interface{}{queue.Type, queue.Durable, queue.Exclusive, queue.Vhost, queue.Arguments["x-max-length"]},
		[]interface{}{"classic", true, false, vhost, float64(5)})
	page, err := client.PagedListQueuesWithParametersIn(vhost, url.Values{"page": {"1"}, "name": {"^q"}, "use_regex": {"true"}})
	must(err)
	same("page", []int{page.Page, page.PageCount, page.FilteredCount, len(page.Items)}, []int{1, 1, 1, 1})
	_, err = client.PagedListQueuesWithParametersIn(vhost, url.Values{"page": {"7"}})
	refused("a page past the end", err, http.StatusBadRequest)
}

func bind(client *rabbithole.Client) {
	toQueue := rabbithole.BindingInfo{Source: "x", Destination: "q 1", DestinationType: "queue", RoutingKey: "a/b.#",
		Arguments: map[string]interface{}{"one": float64(1)}}
	answer, err := client.DeclareBinding(vhost, toQueue)
	must(err)
	// As the client's users do: the key of a binding is what its location ends with.
	key, err := url.PathUnescape(strings.Split(answer.Header.Get("Location"), "/")[1])
	must(err)
	toExchange := rabbithole.BindingInfo{Source: "x", Destination: "y", DestinationType: "exchange", RoutingKey: "k"}
	done("a binding of an exchange", http.StatusCreated)(client.DeclareBinding(vhost, toExchange))
	between, err := client.ListQueueBindingsBetween(vhost, "x", "q 1")
	must(err)
	same("bindings between", len(between), 1)
	same("binding", []interface{}{between[0].RoutingKey, between[0].Arguments, between[0].PropertiesKey},
		[]interface{}{"a/b.#", toQueue.Arguments, key})
	ofExchanges, err := client.ListExchangeBindingsBetween(vhost, "x", "y")
	must(err)
	same("binding of an exchange", len(ofExchanges) == 1 && ofExchanges[0].DestinationType == "exchange", true)
	ofSource, err := client.ListExchangeBindingsWithSource(vhost, "x")
	must(err)
	same("bindings of a source", len(ofSource), 2)
	ofQueue, err := client.ListQueueBindings(vhost, "q 1")
	must(err)
	same("with the default one", len(ofQueue), 2)
	done("a binding is deleted", http.StatusNoContent)(client.DeleteBinding(vhost, between[0]))
	done("and the other", http.StatusNoContent)(client.DeleteBinding(vhost, ofExchanges[0]))
	left, err := client.ListExchangeBindingsWithSource(vhost, "x")
	must(err)
	same("none is left", len(left), 0)
}

func policies(client *rabbithole.Client) {
	policy := rabbithole.Policy{Pattern: "^q", ApplyTo: "queues", Priority: 3,
		Definition: rabbithole.PolicyDefinition{"max-length": float64(4)}}
	done("a policy", http.StatusCreated)(client.PutPolicy(vhost, "p", policy))
	found, err := client.GetPolicy(vhost, "p")
	must(err)
	policy.Vhost, policy.Name = vhost, "p"
	same("policy", *found, policy)
	matching, err := client.ListMatchingPolicies(vhost, "q 1", rabbithole.PolicyTargetClassicQueues)
	must(err)
	same("policies that match", len(matching), 1)
	operator := rabbithole.OperatorPolicy{Pattern: ".*", ApplyTo: "queues",
		Definition: rabbithole.PolicyDefinition{"max-length": float64(3)}}
	done("an operator policy", http.StatusCreated)(client.PutOperatorPolicy(vhost, "o", operator))
	operators, err := client.ListOperatorPoliciesIn(vhost)
	must(err)
	same("operator policies", len(operators) == 1 && operators[0].Name == "o", true)
	eventually("the queue has the policy", func() bool {
		queue, err := client.GetQueue(vhost, "q 1")
		must(err)
		return queue.Policy == "p"
	})
	_, err = client.PutPolicy(vhost, "bad", rabbithole.Policy{Pattern: "(", Definition: policy.Definition})
	refused("a pattern that is none", err, http.StatusBadRequest)
	done("no policy", http.StatusNoContent)(client.DeletePolicy(vhost, "p"))
	done("no operator policy", http.StatusNoContent)(client.DeleteOperatorPolicy(vhost, "o"))
}

func parameters(client *rabbithole.Client) {
	_, err := client.PutGlobalParameter(run, map[string]interface{}{"a": []string{"b"}})
	must(err)
	global, err := client.GetGlobalParameter(run)
	must(err)
	same("global parameter", global.Value, map[string]interface{}{"a": []interface{}{"b"}})
	_, err = client.DeleteGlobalParameter(run)
	must(err)
	_, err = client.GetGlobalParameter(run)
	refused("a parameter that was deleted", err, http.StatusNotFound)
	// What sets limits is a parameter, too.
	_, err = client.PutVhostLimits(vhost, rabbithole.VhostLimitsValues{"max-queues": 9})
	must(err)
	limits, err := client.GetRuntimeParameter("vhost-limits", vhost, "limits")
	must(err)
	same("limits", limits.Value, map[string]interface{}{"max-queues": float64(9)})
	_, err = client.PutRuntimeParameter("nonsense", vhost, "n", 1)
	refused("a component that is none", err, http.StatusBadRequest)
}

func messages(client *rabbithole.Client) {
	options := rabbithole.PublishOptions{RoutingKey: "q 1", Payload: "aGk=", PayloadEncoding: "base64",
		Properties: map[string]interface{}{"delivery_mode": 2}}
	for i := 0; i < 2; i++ {
		result, err := client.PublishToExchange(vhost, "amq.default", options)
		must(err)
		same("routed", result.Routed, true)
	}
	options.RoutingKey = "nowhere"
	result, err := client.PublishToExchange(vhost, "amq.default", options)
	must(err)
	same("not routed", result.Routed, false)
	eventually("two messages", func() bool {
		queue, err := client.GetQueue(vhost, "q 1")
		must(err)
		return queue.Messages == 2 && queue.MessagesReady == 2
	})
	done("a purge", http.StatusNoContent)(client.PurgeQueue(vhost, "q 1"))
	eventually("no message", func() bool {
		queues, err := client.ListQueuesIn(vhost)
		must(err)
		return len(queues) == 1 && queues[0].Messages == 0
	})
}

func connections(client *rabbithole.Client, address string) {
	place, err := amqp.ParseURI(address)
	must(err)
	place.Vhost = vhost
	connection, err := amqp.DialConfig(place.String(), amqp.Config{Properties: amqp.Table{"connection_name": run}})
	must(err)
	closed := connection.NotifyClose(make(chan *amqp.Error, 1))
	channel, err := connection.Channel()
	must(err)
	must(channel.Qos(7, 0, false))
	_, err = channel.Consume("q 1", "tag", false, false, false, false, nil)
	must(err)
	var here []rabbithole.ConnectionInfo
	eventually("a connection", func() bool {
		here, err = client.ListVhostConnections(vhost)
		must(err)
		return len(here) == 1 && here[0].Channels == 1
	})
	same("connection", []interface{}{here[0].User, here[0].Vhost, here[0].UsesTLS, here[0].ClientProperties["connection_name"]},
		[]interface{}{"guest", vhost, false, run})
	same("its protocol", here[0].Protocol == "AMQP 0-9-1" && here[0].FrameMax > 0 && here[0].PeerPort > 0, true)
	ofUser, err := client.ListConnectionsOfUser("guest")
	must(err)
	same("connections of a user", len(ofUser) >= 1, true)
	eventually("a consumer on a channel", func() bool {
		channels, err := client.ListVhostChannels(vhost)
		must(err)
		return len(channels) == 1 && channels[0].ConsumerCount == 1 && channels[0].Number == 1 &&
			channels[0].ConnectionDetails.Name == here[0].Name
	})
	consumers, err := client.ListConsumersIn(vhost)
	must(err)
	same("consumers", len(consumers), 1)
	same("consumer", []interface{}{consumers[0].ConsumerTag, consumers[0].PrefetchCount, consumers[0].Queue.Name, bool(consumers[0].AcknowledgementMode)},
		[]interface{}{"tag", 7, "q 1", true})
	done("the connection is closed", http.StatusNoContent)(client.CloseConnection(here[0].Name))
	select {
	case why := <-closed:
		same("why it was closed", []interface{}{why.Code, why.Reason}, []interface{}{320, "CONNECTION_FORCED - Closed via management plugin"})
	case <-time.After(patience):
		log.Panic("the connection stays open")
	}
}

func definitions(client *rabbithole.Client) {
	exported, err := client.ListVhostDefinitions(vhost)
	must(err)
	same("exported", len(*exported.Queues) == 1 && len(*exported.Exchanges) == 2 && len(*exported.Bindings) == 0, true)
	done("a queue is deleted", http.StatusNoContent)(client.DeleteQueue(vhost, "q 1", rabbithole.QueueDeleteOptions{IfEmpty: true}))
	_, err = client.UploadVhostDefinitions(exported, vhost)
	must(err)
	queue, err := client.GetQueue(vhost, "q 1")
	must(err)
	same("the queue is there again", queue.Arguments["x-max-length"], float64(5))
	all, err := client.ListDefinitions()
	must(err)
	same("all of it", len(*all.Users) >= 1 && len(*all.Vhosts) >= 2 && all.RabbitMQVersion != "", true)
}

func health(client *rabbithole.Client, ports map[string]rabbithole.Port) {
	alarms, err := client.HealthCheckAlarms()
	must(err)
	same("alarms", alarms.Status, "ok")
	local, err := client.HealthCheckLocalAlarms()
	must(err)
	same("local alarms", local.Status, "ok")
	for _, check := range []func() (rabbithole.HealthCheckStatus, error){client.HealthCheckVirtualHosts, client.HealthCheckNodeIsQuorumCritical} {
		status, err := check()
		must(err)
		same("a check", status.Status, "ok")
	}
	port, err := client.HealthCheckPortListener(uint(ports["amqp"]))
	must(err)
	same("port", []interface{}{port.Status, port.Port}, []interface{}{"ok", uint(ports["amqp"])})
	missing, err := client.HealthCheckPortListener(1)
	must(err)
	same("no listener", []interface{}{missing.Status, missing.Missing, len(missing.Ports) > 0}, []interface{}{"failed", uint(1), true})
	protocol, err := client.HealthCheckProtocolListener(rabbithole.AMQP091)
	must(err)
	same("protocol", protocol.Status, "ok")
	stomp, err := client.HealthCheckProtocolListener(rabbithole.STOMP)
	must(err)
	same("no such protocol", stomp.Status == "failed" && len(stomp.Protocols) > 0, true)
	expiry, err := client.HealthCheckCertificateExpiration(1, rabbithole.DAYS)
	must(err)
	same("certificates", expiry.Status, "ok")
	done("queues are rebalanced", http.StatusNoContent)(client.RebalanceQueues())
}

// without is what there is not: it is asked for all the same.
func without(client *rabbithole.Client, isRabbitMQ bool) {
	if isRabbitMQ { // it has no plugin for them here
		return
	}
	shovels, err := client.ListShovels()
	must(err)
	links, err := client.ListFederationLinks()
	must(err)
	publishers, err := client.ListStreamPublishers()
	must(err)
	upstreams, err := client.ListFederationUpstreamsIn(vhost)
	must(err)
	same("none", []int{len(shovels), len(links), len(publishers), len(upstreams)}, []int{0, 0, 0, 0})
	_, err = client.DeclareShovel(vhost, "s", rabbithole.ShovelDefinition{SourceURI: rabbithole.URISet{"amqp://"}, DestinationURI: rabbithole.URISet{"amqp://"}})
	refused("a shovel", err, http.StatusBadRequest)
}

func features(client *rabbithole.Client) {
	all, err := client.ListDeprecatedFeatures()
	must(err)
	same("deprecated features", len(all) > 0 && all[0].Name != "" && all[0].ProvidedBy != "", true)
	_, err = client.ListDeprecatedFeaturesUsed()
	must(err)
}

func main() {
	base, address, version := os.Args[1], os.Args[2], os.Args[3]
	time.AfterFunc(3*time.Minute, func() { log.Fatal("it took too long") })
	client, err := rabbithole.NewClient(base, "guest", "guest")
	must(err)
	major, minor := about(client)
	vhosts(client)
	users(client)
	topology(client)
	policies(client)
	parameters(client)
	messages(client)
	connections(client, address)
	definitions(client)
	ports, err := client.ProtocolPorts()
	must(err)
	health(client, ports)
	without(client, os.Getenv("CONEY_BINARY") == "")
	passed := 11
	if major > 3 || minor >= 13 {
		features(client)
		passed++
	}
	done("the vhost is deleted", http.StatusNoContent)(client.DeleteVhost(vhost))
	fmt.Printf("rabbit-hole %s: %d checks passed\n", version, passed)
}
