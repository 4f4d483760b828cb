/** RabbitMQ's address of the limits. */
import { html } from '../component.js';
import Server from './admin.js';

export default () => html`<${Server} params=${{ section: 'limits' }} />`;
