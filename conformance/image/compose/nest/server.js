// A microservice with NestJS's RabbitMQ transport. Decorators are called by hand: this is JavaScript, not TypeScript.
require('reflect-metadata');
const { Controller, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
const { MessagePattern, EventPattern, Transport, Ctx, Payload } = require('@nestjs/microservices');

let noted = 0;
const ack = (context) => context.getChannelRef().ack(context.getMessage());

class Sums {
  sum(numbers, context) {
    ack(context);
    return numbers.reduce((a, b) => a + b, 0);
  }

  note(amount, context) {
    noted += amount;
    ack(context);
  }

  noted(nothing, context) {
    ack(context);
    return noted;
  }
}

function decorate(name, pattern, parameters) {
  const descriptor = Object.getOwnPropertyDescriptor(Sums.prototype, name);
  pattern(Sums.prototype, name, descriptor);
  Object.defineProperty(Sums.prototype, name, descriptor);
  parameters.forEach((parameter, index) => parameter(Sums.prototype, name, index));
}
decorate('sum', MessagePattern('sum'), [Payload(), Ctx()]);
decorate('noted', MessagePattern('noted'), [Payload(), Ctx()]);
decorate('note', EventPattern('note'), [Payload(), Ctx()]);
Controller()(Sums);

class App {}
Module({ controllers: [Sums] })(App);

async function main() {
  const service = await NestFactory.createMicroservice(App, {
    transport: Transport.RMQ,
    options: { urls: [process.env.RABBITMQ_URL], queue: 'sums', queueOptions: { durable: true }, noAck: false, prefetchCount: 10 },
  });
  await service.listen();
}

main();
