/** What stands on a page that is not for the reader. Nothing is asked of the broker there. */
import { html } from '../component.js';
import { Page } from '../parts/page.js';
import { Notice } from '../parts/state.js';

/** @param {{title: string}} props */
export const OnlyAdministrators = ({ title }) => html`<${Page} title=${title}><${Notice}>This is for users with the tag <b>administrator</b>.<//><//>`;
