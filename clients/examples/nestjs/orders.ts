// A NestJS microservice: it consumes orders from RabbitMQ, and acks each by itself. An order that cannot be shipped is dead-lettered to `orders.dead`.
import 'reflect-metadata';

import { Controller, type INestMicroservice, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, type MicroserviceOptions, Payload, RmqContext, Transport } from '@nestjs/microservices';

/** With it the application has the bug that its tests are there to find. */
const PLANTED = process.env.PLANTED === '1';

export interface Order {
  id: number;
  address?: string;
}

/** Where orders go. */
export abstract class Shipping {
  abstract ship(order: Order): Promise<void>;
}

@Controller()
export class Orders {
  constructor(@Inject(Shipping) private readonly shipping: Shipping) {}

  @EventPattern('order.created')
  async created(@Payload() order: Order, @Ctx() context: RmqContext): Promise<void> {
    const channel = context.getChannelRef();
    const message = context.getMessage();
    // A mistake that is easily made: nothing settles the message, and it is held until the connection ends.
    if (PLANTED && !order.address) return;
    try {
      if (!order.address) throw new Error(`order ${order.id} has no address`);
      await this.shipping.ship(order);
      channel.ack(message);
    } catch {
      channel.nack(message, false, false);
    }
  }
}

/** The application, consuming at that broker. */
export async function start(url: string, shipping: Shipping): Promise<INestMicroservice> {
  @Module({ controllers: [Orders], providers: [{ provide: Shipping, useValue: shipping }] })
  class Application {}

  const application = await NestFactory.createMicroservice<MicroserviceOptions>(Application, {
    logger: false,
    transport: Transport.RMQ,
    options: {
      urls: [url],
      queue: 'orders',
      noAck: false,
      prefetchCount: 1,
      queueOptions: { durable: true, deadLetterExchange: '', deadLetterRoutingKey: 'orders.dead' },
    },
  });
  await application.listen();
  return application;
}
