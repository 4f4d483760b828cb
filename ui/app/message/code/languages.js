/** The languages in which a publish can be written. */

import { amqplib } from './amqplib.js';
import { curl } from './curl.js';
import { go } from './go.js';
import { java } from './java.js';
import { lapin } from './lapin.js';
import { pika } from './pika.js';

/** @type {{id: string, label: string, title: string, write: (publish: import('./publish.js').Publish) => string}[]} */
export const LANGUAGES = [
  { id: 'curl', label: 'curl', title: 'The HTTP API with curl', write: curl },
  { id: 'pika', label: 'pika', title: 'Python with pika', write: pika },
  { id: 'amqplib', label: 'amqplib', title: 'Node.js with amqplib', write: amqplib },
  { id: 'lapin', label: 'lapin', title: 'Rust with lapin', write: lapin },
  { id: 'go', label: 'Go', title: 'Go with amqp091-go', write: go },
  { id: 'java', label: 'Java', title: "Java with RabbitMQ's client", write: java },
];
