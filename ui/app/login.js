/** Who is it? */
import { html, view } from './component.js';
import { login } from './session.js';
import { Field } from './parts/form.js';

export const Login = view((_, self) => {
  const name = self.signal('name', '');
  const password = self.signal('password', '');
  const error = self.signal('error', '');
  const isBusy = self.signal('busy', false);
  document.title = 'Log in · Coney';
  const submit = async (event) => {
    event.preventDefault();
    if (isBusy.value) return;
    isBusy.value = true;
    error.value = '';
    try {
      await login(name.value, password.value);
    } catch (problem) {
      error.value = problem.message;
    } finally {
      isBusy.value = false;
    }
  };
  return html`<main class="login"><div class="login-box">
    <div class="login-brand"><img src="style/icon.svg" alt="" /><h1>Coney</h1></div>
    <form onSubmit=${submit}>
      <${Field} label="User" value=${name} autocomplete="username" name="username" autofocus autocapitalize="none" required />
      <${Field} label="Password" type="password" value=${password} autocomplete="current-password" name="password" />
      ${error.value ? html`<p class="field-error" role="alert">${error.value}</p>` : null}
      <button type="submit" class="button primary" disabled=${isBusy.value}>${isBusy.value ? 'Logging in' : 'Log in'}</button>
    </form>
  </div></main>`;
}, 'Login');
